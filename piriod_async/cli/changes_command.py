"""The `changes` command: prints the changes that the runs of a mirror found."""

import asyncio
import sys
from collections.abc import Callable, Iterable
from contextlib import aclosing
from typing import Any

import msgspec

from piriod_async.cli.command_errors import command_errors
from piriod_async.cli.messages import OK
from piriod_async.cli.mirror_options import ChangesOptions
from piriod_async.cli.streams import write_stdout
from piriod_async.cli.text_table import TextTable
from piriod_async.mirror import Change, Mirror
from piriod_async.plain_text import sanitize_lines

_COLUMNS = ("run", "kind", "workspace", "id", "name", "fields")
_PER_WRITE = 100  # changes


def print_changes(options: ChangesOptions) -> int:
    """Print the changes after a run, and return the exit code.

    Raises:
        CommandError: They cannot be read, or printing was interrupted.
    """
    table = TextTable(_COLUMNS, {"run"})
    encode = _encode_json_lines if options.output_format == "jsonl" else lambda batch: table.encode(map(_to_row, batch))
    with command_errors():
        asyncio.run(_print(options, encode))
    return OK


async def _print(options: ChangesOptions, encode: Callable[[Iterable[Change]], bytes]) -> None:
    async with Mirror(options.database) as mirror, aclosing(mirror.changes(since=options.since)) as changes:
        batch: list[Change] = []
        async for change in changes:
            batch.append(change)
            if len(batch) == _PER_WRITE:
                write_stdout(encode(batch))
                batch.clear()
        write_stdout(encode(batch))


def _to_row(change: Change) -> tuple[object, ...]:
    customer = change.after or change.before
    name = customer.name if customer else None
    fields = _plain_fields(change) if change.fields else {}
    differences = "; ".join(f"{field}: {_to_text(old)} → {_to_text(new)}" for field, (old, new) in fields.items())
    return change.run, change.kind, change.workspace, change.id, name or "", differences


def _to_text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _encode_json_lines(changes: Iterable[Change]) -> bytes:
    lines = b"".join(msgspec.json.encode(_to_dict(change)) + b"\n" for change in changes)
    return sanitize_lines(lines.decode()).encode() if sys.stdout.isatty() else lines


def _to_dict(change: Change) -> dict[str, Any]:
    about = {"run": change.run, "kind": change.kind, "workspace": change.workspace, "id": change.id}
    return {**about, "fields": _plain_fields(change)}


def _plain_fields(change: Change) -> dict[str, tuple[Any, Any]]:
    """Return the fields that differ, as plain data before and after; the other side of nobody is null."""
    before, after = (customer.to_dict() if customer else {} for customer in (change.before, change.after))
    if before and after:
        return {name: (before[name], after[name]) for name in change.fields}
    return {name: (before.get(name), after.get(name)) for name, value in (before or after).items() if value is not None}
