"""What was asked for on the command line, and what of it cannot be."""

import math
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import click
import msgspec
from attrs import asdict, frozen

from piriod_async.cli.partial_files import Part
from piriod_async.cli.table import FIELDS, Screen
from piriod_async.export import ContactsCsvEncoder, CsvEncoder, Encoder, ExportError, JsonLinesEncoder
from piriod_async.export.atomic_file import resolve_target

_SUFFIXES = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".parquet": "parquet"}
_FILTERS = ("country", "email", "name", "tax_id", "subscriptions", "sources")
_SMALLEST_PAGE = 10


@frozen(kw_only=True)
class Options:
    """The options of `customers`, by the names of its parameters; `commands.py` says what each means."""

    country: str | None
    email: str | None
    name: str | None
    tax_id: str | None
    created_gte: datetime | None
    created_lte: datetime | None
    subscriptions: str | None
    sources: str | None
    metadata: dict[str, str] | None
    ordering: str
    no_check_filters: bool
    workspaces: tuple[str, ...]
    workspaces_file: TextIO | None
    test_mode: bool
    limit: int | None
    count: bool
    output: Path | None
    format: str | None
    fields: tuple[str, ...] | None
    contacts: Path | None
    raw_cells: bool
    resume: bool
    token_file: Path | None
    base_url: str | None
    concurrency: int
    page_size: int
    sandbox: int | None
    verbose: bool

    @property
    def query(self) -> dict[str, Any]:
        """The keywords of `PiriodSession.customers`, but for the workspace."""
        few = max(self.limit or self.page_size, _SMALLEST_PAGE)
        return {
            **{name: getattr(self, name) for name in _FILTERS},
            "created__gte": self.created_gte,
            "created__lte": self.created_lte,
            "metadata": self.metadata,
            "ordering": self.ordering or None,
            "page_size": min(self.page_size, few),
            "check_filters": not self.no_check_filters,
        }

    @property
    def at_once(self) -> int:
        """Requests at once: no more than the limit has pages."""
        return min(self.concurrency, math.ceil(self.limit / self.page_size)) if self.limit else self.concurrency

    def labelled(self) -> bool:
        """Return whether what is written begins with the workspace: where there may be several."""
        return self.workspaces_file is not None or len(self.workspaces) > 1

    def encoder(self) -> Encoder:
        """Return what makes bytes of customers, for the format asked for.

        Raises:
            click.UsageError: It cannot be written there, or has no such fields, or what it needs is not installed.
        """
        kind, labelled = self._format(), self.labelled()
        try:
            if kind == "table":
                return Screen(CsvEncoder(self.fields or FIELDS).fields, labelled)
            if kind == "csv":
                return CsvEncoder(self.fields, not self.raw_cells, labelled)
            if kind == "jsonl":
                return JsonLinesEncoder(self.fields, labelled)
            os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")  # its own keeps 30 MB more, for what we do
            from piriod_async.export.arrow_format import ArrowStreamEncoder  # noqa: PLC0415 (it needs what may not be installed)

            return ArrowStreamEncoder(self.fields, labelled)
        except (ExportError, ModuleNotFoundError) as error:
            raise click.UsageError(str(error)) from error

    def parts(self) -> list[Part]:
        """Return the files to write; none if it is standard output.

        Raises:
            click.UsageError: As `encoder` does; or options do not go together.
        """
        encoder = self.encoder()
        if self.count and (more := [name for name in _NOT_COUNTED if getattr(self, name)]):
            raise click.UsageError(f"--count is a number on standard output: expected no --{more[0].replace('_', '-')}")
        if self.raw_cells and not isinstance(encoder, CsvEncoder):
            raise click.UsageError("--raw-cells goes with CSV: --format csv, or -o customers.csv")
        if self.output == Path("-"):
            raise click.UsageError("-o -: expected a file's name; without -o it goes to standard output")
        if self.contacts and not (self.output and isinstance(encoder, CsvEncoder)):
            raise click.UsageError("--contacts goes with -o and CSV: -o customers.csv --contacts contacts.csv")
        if not self.output:
            if self.resume:
                raise click.UsageError("--resume goes with -o: only a file can be gone on with")
            return []
        try:
            return self._files(resolve_target(self.output), self.contacts and resolve_target(self.contacts), encoder)
        except ExportError as error:
            raise click.UsageError(str(error)) from error

    def _files(self, output: Path, contacts: Path | None, encoder: Encoder) -> list[Part]:
        if self._format() == "parquet":
            from piriod_async.export.arrow_format import stream_to_parquet  # noqa: PLC0415

            return [Part(output, encoder, stream_to_parquet)]
        if not contacts:
            return [Part(output, encoder)]
        if contacts.absolute() == output.absolute():
            raise click.UsageError("--contacts and -o are the same file: expected two")
        return [Part(output, encoder), Part(contacts, ContactsCsvEncoder(not self.raw_cells, self.labelled()))]

    def identity(self, workspaces: tuple[str, ...]) -> dict[str, Any]:
        """Return what an export must have in common with the one that it goes on with, by the options' names."""
        told = {
            **{f"--{name.replace('_', '-')}": value for name, value in asdict(self).items() if name in _IDENTITY},
            "--created-gte": self.created_gte and self.created_gte.astimezone(UTC),
            "--created-lte": self.created_lte and self.created_lte.astimezone(UTC),
            "--contacts": self.contacts and str(self.contacts),
            "--format": self._format(),
            "--workspace": workspaces,
        }
        decoded: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(told))
        return decoded

    def _format(self) -> str:
        suffix = _SUFFIXES.get(self.output.suffix.lower()) if self.output else None
        kind = self.format or suffix
        if self.output and not kind:
            raise click.UsageError(f"{self.output}: expected a name with {', '.join(_SUFFIXES)}; or --format")
        if self.output and kind == "table":
            raise click.UsageError("a table is for the terminal: expected --format jsonl, csv or parquet with -o")
        if kind == "parquet" and not self.output:
            raise click.UsageError("Parquet goes to a file: expected -o customers.parquet")
        return kind or ("table" if sys.stdout.isatty() else "jsonl")


_NOT_COUNTED = ("output", "limit", "format", "fields", "contacts", "raw_cells", "resume")
_IDENTITY = (*_FILTERS, "metadata", "ordering", "test_mode", "limit", "fields", "raw_cells", "base_url", "sandbox")
