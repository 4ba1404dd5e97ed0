"""Customers as a table on a terminal, one per line.

The first page fixes the widths. If there is too little room, first the names of the columns shrink, then the gaps, then
the widest column; ids are the last, and amounts are never cut. (`rich.table.Table` measures each page anew, cuts both,
and takes forty times as long.)
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
_SEPARATOR, _NARROW_SEPARATOR = "  ", " "
_MIN_NAME_WIDTH = 3  # terminal cells, of the name of a column
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
    _widths: Sequence[int] = field(default=(), init=False)
    _separator: str = field(default=_SEPARATOR, init=False)
    _count: int = field(default=0, init=False)

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
        lines = [self._start(rows)] if rows and not self._count else []
        self._count += len(rows)
        return "".join(f"{line}\n" for line in (*lines, *map(self._line, rows))).encode()

    def footer(self) -> bytes:
        """Return a line with the number of customers for a terminal; no bytes for another program."""
        if not sys.stdout.isatty():
            return b""
        count = f"{self._count:,}" if self._count else "no"
        return f"{count} customer{'s' * (self._count != 1)}\n".encode()

    def _start(self, rows: Sequence[Sequence[str]]) -> str:
        """Choose the widths, and return the header."""
        console = Console()
        is_terminal = sys.stdout.isatty()
        self._widths, self._separator = _fit(self._names, rows, console.width if is_terminal else None)
        header = self._line([_cut(name, width) for name, width in zip(self._names, self._widths, strict=True)])
        is_bold = is_terminal and not (console.is_dumb_terminal or console.no_color)
        return click.style(header, bold=True) if is_bold else header

    @property
    def _names(self) -> Sequence[str]:
        return ["workspace"] * self.workspace_column + list(self.fields)

    def _line(self, row: Sequence[str]) -> str:
        columns = zip(row, self._widths, self._names, strict=True)
        return self._separator.join(
            _cell(text, width, right=name in _RIGHT_ALIGNED) for text, width, name in columns
        ).rstrip()


def _fit(names: Sequence[str], rows: Sequence[Sequence[str]], available: int | None) -> tuple[list[int], str]:
    """Return the widths of columns and what separates them, so that they fit if possible.

    Args:
        names: Names of the columns.
        rows: Cells of the first page.
        available: Width of the terminal; None for no limit.
    """
    contents = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    widths = [max(len(name), width) for name, width in zip(names, contents, strict=True)]
    if available is None:
        return widths, _SEPARATOR
    with_short_names = [
        max(min(len(name), _MIN_NAME_WIDTH), width) for name, width in zip(names, contents, strict=True)
    ]
    gaps = len(widths) - 1
    _shrink(widths, with_short_names, available - gaps * len(_SEPARATOR))
    separator = _SEPARATOR if sum(widths) + gaps * len(_SEPARATOR) <= available else _NARROW_SEPARATOR
    columns = list(zip(names, widths, strict=True))
    minimums = [width if name in _RIGHT_ALIGNED else _MIN_WIDTH for name, width in columns]
    id_minimums = [
        min(width, _MAX_ID_WIDTH) if name.endswith("id") else minimum
        for (name, width), minimum in zip(columns, minimums, strict=True)
    ]
    for lowest in (id_minimums, minimums):
        _shrink(widths, lowest, available - gaps * len(separator))
    return widths, separator


def _shrink(widths: list[int], lowest: Sequence[int], available: int) -> None:
    """Shrink the column that is farthest from its lowest width, until all fit or none can shrink."""
    while sum(widths) > available:
        spare = [width - low for width, low in zip(widths, lowest, strict=True)]
        if max(spare) <= 0:
            return
        widths[spare.index(max(spare))] -= 1


def _cell(text: str, width: int, *, right: bool) -> str:
    if right:
        return f"{' ' * (width - cell_len(text))}{text}"
    return set_cell_size(_cut(text, width), width)


def _cut(text: str, width: int) -> str:
    return f"{set_cell_size(text, width - 1)}…" if cell_len(text) > width else text
