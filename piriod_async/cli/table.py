"""Customers as a table on a terminal, one per line.

The first page fixes the widths; ids are the last to shrink, and amounts are never cut. (`rich.table.Table` measures
each page anew, cuts both, and takes forty times as long.)
"""

import sys
from collections.abc import Iterable, Sequence

import click
from attrs import define, field
from rich.cells import cell_len, set_cell_size
from rich.console import Console

from piriod_async import Customer
from piriod_async.export import csv_row
from piriod_async.plain_text import sanitize_line

DEFAULT_FIELDS = ("id", "name", "country_id", "tax_id", "balance")
_RIGHT_ALIGNED = {"sales", "sales_current_period", "balance"}
_SEPARATOR = "  "
_MIN_WIDTH = 4  # terminal cells
_MAX_ID_WIDTH = 24  # terminal cells; an id that is cut is of no use


@define
class TableEncoder:
    """Encode customers as a table whose columns are as wide as the first page needs.

    Args:
        fields: Some of `export.COLUMNS`, in the desired order.
        workspace_column: Put a `workspace` column first.
    """

    fields: Sequence[str]
    workspace_column: bool = False
    _widths: list[int] = field(factory=list, init=False)

    def header(self) -> bytes:
        """Return no bytes: the header waits for the first page."""
        return b""

    def encode(self, customers: Iterable[Customer], workspace: str | None = None) -> bytes:
        """Return one line per customer, after the header if these are the first."""
        first = [str(workspace)] * self.workspace_column
        rows = [
            [sanitize_line(cell) for cell in (*first, *csv_row(customer, self.fields, escape_formulas=False))]
            for customer in customers
        ]
        lines = []
        if rows and not self._widths:
            header = ["workspace"] * self.workspace_column + list(self.fields)
            is_terminal = sys.stdout.isatty()
            self._widths = _fit([header, *rows], Console().width if is_terminal else None)
            lines.append(click.style(self._line(header), bold=True) if is_terminal else self._line(header))
        return "".join(f"{line}\n" for line in (*lines, *map(self._line, rows))).encode()

    def footer(self) -> bytes:
        """Return no bytes: the table has no footer."""
        return b""

    def _line(self, row: Sequence[str]) -> str:
        names = [""] * self.workspace_column + list(self.fields)
        columns = zip(row, self._widths, names, strict=True)
        return _SEPARATOR.join(
            _cell(text, width, right=name in _RIGHT_ALIGNED) for text, width, name in columns
        ).rstrip()


def _fit(rows: Sequence[Sequence[str]], available: int | None) -> list[int]:
    """Return the widths of columns. If there is too little room, the widest shrinks, ids last."""
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    names = list(zip(rows[0], widths, strict=True))
    minimums = [width if name in _RIGHT_ALIGNED else _MIN_WIDTH for name, width in names]
    id_minimums = [
        min(width, _MAX_ID_WIDTH) if name.endswith("id") else minimum
        for (name, width), minimum in zip(names, minimums, strict=True)
    ]
    for lowest in (id_minimums, minimums):
        while available and sum(widths) + len(_SEPARATOR) * (len(widths) - 1) > available:
            spare = [width - low for width, low in zip(widths, lowest, strict=True)]
            if max(spare) <= 0:
                break
            widths[spare.index(max(spare))] -= 1
    return widths


def _cell(text: str, width: int, *, right: bool) -> str:
    length = cell_len(text)
    if right:
        return f"{' ' * (width - length)}{text}"
    return f"{set_cell_size(text, width - 1)}…" if length > width else set_cell_size(text, width)
