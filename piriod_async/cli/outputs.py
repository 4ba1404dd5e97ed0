"""Encoders and files for the requested format."""

import os
import stat
import sys
from pathlib import Path

import click

from piriod_async.cli.file_system import with_suffix_added
from piriod_async.cli.messages import to_line
from piriod_async.cli.options import Options
from piriod_async.cli.partial_files import WORKING_SUFFIXES, PartialFile
from piriod_async.cli.table import DEFAULT_FIELDS, TableEncoder
from piriod_async.cli.terminal import TerminalEncoder
from piriod_async.export import ContactsCsvEncoder, CsvEncoder, Encoder, ExportError, JsonLinesEncoder
from piriod_async.export.atomic_file import is_same_file, resolve_target


def make_encoder(options: Options) -> Encoder:
    """Return the encoder for the requested format.

    Raises:
        ExportError: A field is unknown.
        ModuleNotFoundError: pyarrow is not installed.
    """
    encoder = _make_format_encoder(options)
    if options.output or isinstance(encoder, TableEncoder) or not sys.stdout.isatty():
        return encoder
    return TerminalEncoder(encoder)


def _make_format_encoder(options: Options) -> Encoder:
    fields, workspace_column = options.fields, options.multi_workspace
    match options.output_format:
        case "table":
            return TableEncoder(CsvEncoder(fields or DEFAULT_FIELDS).fields, workspace_column)
        case "csv":
            return CsvEncoder(fields, not options.no_escape_formulas, workspace_column, options.bom)
        case "jsonl":
            return JsonLinesEncoder(fields, workspace_column)
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")  # Arrow's own takes 30 MB more
    from piriod_async.export.arrow_format import ArrowStreamEncoder  # noqa: PLC0415 (needs an extra)

    return ArrowStreamEncoder(fields, workspace_column)


def make_files(options: Options, encoder: Encoder) -> list[PartialFile]:
    """Return the files to write; none if customers go to standard output.

    Raises:
        click.UsageError: A path is not a regular file, its folder does not exist, both files are the same, or one of
            them could not be renamed into place.
    """
    if not options.output:
        return []
    output = _resolve(options.output)
    if options.output_format == "parquet":
        from piriod_async.export.parquet_format import stream_to_parquet  # noqa: PLC0415 (needs an extra)

        return [PartialFile(output, encoder, stream_to_parquet)]
    files = [PartialFile(output, encoder)]
    if options.contacts_output:
        contacts_output = _resolve(options.contacts_output)
        if is_same_file(output, contacts_output):
            raise click.UsageError("--contacts-output and --output are the same file: expected two")
        for one, other in ((output, contacts_output), (contacts_output, output)):
            for suffix in WORKING_SUFFIXES:
                if is_same_file(with_suffix_added(one, suffix), other):
                    raise click.UsageError(f"{other} is a temporary name of {one}: expected another name")
        contacts = ContactsCsvEncoder(not options.no_escape_formulas, options.multi_workspace, options.bom)
        files.append(PartialFile(contacts_output, contacts))
    return files


def _resolve(path: Path) -> Path:
    """Return the path to write, with symbolic links followed, if a new file can be made and renamed there."""
    try:
        target = resolve_target(path)
    except ExportError as error:
        raise click.UsageError(to_line(error)) from error
    folder = target.parent
    if sys.platform != "win32" and target.exists() and folder.stat().st_mode & stat.S_ISVTX:  # such as /tmp
        if os.geteuid() not in (0, folder.stat().st_uid, target.stat().st_uid):
            raise click.UsageError(f"{path}: belongs to another user, who alone may replace it: choose another name")
    return target
