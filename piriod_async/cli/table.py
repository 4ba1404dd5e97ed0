"""Customers as a table on a terminal, one per line."""

import sys
from collections.abc import Iterable, Sequence

from attrs import define, field

from piriod_async import Customer
from piriod_async.cli.text_table import TextTable
from piriod_async.export import csv_row

DEFAULT_FIELDS = ("id", "name", "country_id", "tax_id", "balance")
_AMOUNTS = {"sales", "sales_current_period", "balance"}


@define
class TableEncoder:
    """Encode customers as a table.

    Args:
        fields: Some of `export.COLUMNS`, in the desired order.
        workspace_column: Put a `workspace` column first.
    """

    fields: Sequence[str]
    workspace_column: bool = False
    _table: TextTable = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._table = TextTable(["workspace"] * self.workspace_column + list(self.fields), _AMOUNTS)

    def header(self) -> bytes:
        """Return no bytes: the header waits for the first page."""
        return b""

    def encode(self, customers: Iterable[Customer], workspace: str | None = None) -> bytes:
        """Return one line per customer, after the header if these are the first."""
        first = [workspace] * self.workspace_column
        return self._table.encode(
            (*first, *csv_row(customer, self.fields, escape_formulas=False)) for customer in customers
        )

    def footer(self) -> bytes:
        """Return a line with the number of customers for a terminal; no bytes for another program."""
        if not sys.stdout.isatty():
            return b""
        count = f"{self._table.count:,}" if self._table.count else "no"
        return f"{count} customer{'s' * (self._table.count != 1)}\n".encode()
