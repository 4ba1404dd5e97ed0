"""The options of `customers`, checked against each other."""

import math
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec
from attrs import frozen

from piriod_async.cli.connection_options import ConnectionOptions
from piriod_async.cli.messages import option_name
from piriod_async.export import FIELDS
from piriod_async.pagination.by_created import MIN_PAGE_SIZE_BY_CREATED

_FORMAT_BY_SUFFIX = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".parquet": "parquet"}
_CHANGE_CSV = ("contacts_output", "no_escape_formulas", "bom")
_CONFLICTS_WITH_COUNT = ("output", "limit", "format", "fields", "resume", *_CHANGE_CSV)
_CONFLICTS = [("count", name) for name in _CONFLICTS_WITH_COUNT]
_CONFLICTS += [("dask", name) for name in ("count", "limit", "mock", "token_file", "accounts", *_CHANGE_CSV)]
_REQUIREMENTS = [("contacts_output", "output"), ("resume", "output"), ("dask", "output")]
_CHANGE_THE_OUTPUT = ("test_mode", "limit", "fields", "base_url", "mock", *_CHANGE_CSV)


@frozen(kw_only=True)
class Options(ConnectionOptions):
    """The options by their parameter's name; `commands.py` describes them.

    Attributes:
        filters: Arguments of `CustomerQuery`.

    Raises:
        click.UsageError: Options that cannot be combined.
    """

    filters: dict[str, Any]
    no_check_filters: bool
    skip_invalid: bool
    limit: int | None
    count: bool
    output: Path | None
    format: str | None
    fields: tuple[str, ...] | None
    contacts_output: Path | None
    no_escape_formulas: bool
    bom: bool
    resume: bool
    dask: str | None
    verbose: bool

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self.refuse_together(_CONFLICTS)
        given = self.given
        for one, other in _REQUIREMENTS:
            if one in given and other not in given:
                raise click.UsageError(f"{option_name(one)} requires {option_name(other)}")
        self._check_format()
        for name in _CHANGE_CSV:
            if name in given and self.output_format != "csv":
                raise click.UsageError(f"{option_name(name)} requires --format csv")

    def _check_format(self) -> None:
        if self.dask:
            if self.format not in (None, "parquet"):
                raise click.UsageError(f"--format {self.format} cannot be combined with --dask: expected parquet")
            if self.output and self.output.is_file():
                raise click.UsageError(f"--output {self.output}: expected a folder for --dask, but it is a file")
            return
        if self.output and self.output.is_dir():
            raise click.UsageError(f"--output {self.output}: expected a file, but it is a directory")
        if not self.output:
            if self.output_format == "parquet":
                raise click.UsageError("--format parquet requires --output FILE: it cannot be written to a pipe")
        elif self.output == Path("-"):
            raise click.UsageError("--output -: leave it out to write to standard output, and choose with --format")
        elif not self.output_format:
            suffixes = ", ".join(_FORMAT_BY_SUFFIX)
            raise click.UsageError(
                f"--output {self.output}: expected a name that ends in {suffixes}; or --format, such as --format jsonl"
            )
        elif self.output_format == "table":
            raise click.UsageError("--format table cannot be combined with --output: expected jsonl, csv or parquet")

    @property
    def output_format(self) -> str:
        """The format to write; empty if the output's suffix does not tell."""
        if self.dask:
            return "parquet"
        if self.format:
            return self.format
        if self.output:
            return _FORMAT_BY_SUFFIX.get(self.output.suffix.lower(), "")
        return "table" if sys.stdout.isatty() else "jsonl"

    @property
    def listing_arguments(self) -> dict[str, Any]:
        """Arguments of `PiriodSession.customers`, except the workspace."""
        page_size: int = self.filters["page_size"]
        needed = max(self.limit or page_size, MIN_PAGE_SIZE_BY_CREATED)
        return {
            **self.filters,
            "ordering": self.filters["ordering"] or None,
            "page_size": min(page_size, needed),
            "check_filters": not self.no_check_filters,
            "on_invalid": "skip" if self.skip_invalid else "raise",
        }

    @property
    def unknown_orderings(self) -> list[str]:
        """Names in the ordering that are no fields of a customer, which the API ignores."""
        ordering: str = self.filters["ordering"] or ""
        names = [name.strip().removeprefix("-") for name in ordering.split(",") if name.strip()]
        return [name for name in names if name.partition("__")[0] not in FIELDS]

    @property
    def effective_concurrency(self) -> int:
        """Concurrent requests: no more than there are pages within the limit."""
        if not self.limit:
            return self.concurrency
        pages: int = math.ceil(self.limit / self.filters["page_size"])
        return min(self.concurrency, pages)

    def fingerprint(self, connection: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """Return what a resume must have in common with the interrupted export, as JSON values by option.

        Args:
            connection: The arguments of `PiriodSession` by workspace. Tokens may change.
        """
        values = {name: value for name, value in self.filters.items() if name != "page_size"}
        values |= {name: getattr(self, name) for name in _CHANGE_THE_OUTPUT}
        values |= {"format": self.output_format, "workspace": sorted(connection)}
        if self.accounts:
            servers = {name: (each.get("base_url"), each["test_mode"]) for name, each in connection.items()}
            values["accounts"] = sorted(servers.items())
        normalized = {
            option_name(name): value.astimezone(UTC) if isinstance(value, datetime) else value
            for name, value in values.items()
        }
        normalized["workspace column"] = self.multi_workspace
        decoded: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(normalized, enc_hook=str))
        return decoded
