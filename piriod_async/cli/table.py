"""Customers as a table for people: as wide as the terminal, a row each."""

import sys
from collections.abc import Iterable, Sequence

import click
from attrs import define, field
from rich.cells import cell_len, set_cell_size
from rich.console import Console

from piriod_async import Customer
from piriod_async.cli.messages import in_a_line
from piriod_async.export import csv_row

FIELDS = ("id", "name", "country_id", "tax_id", "balance")
_RIGHT = {"sales", "sales_current_period", "balance"}
_GAP = "  "
_NARROWEST = 4  # cells that a column keeps
_WHOLE = 24  # cells of an id, which is of no use cut; the others give way


@define
class Screen:
    """A table, a page of rows at a time. The first page tells how wide the columns are.

    Args:
        fields: Names of columns.
        labelled: Begin with the workspace.
    """

    fields: Sequence[str]
    labelled: bool = False
    _widths: list[int] = field(factory=list, init=False)

    def header(self) -> bytes:
        """Return nothing: the header waits for the first page."""
        return b""

    def encode(self, customers: Iterable[Customer], workspace: str | None = None) -> bytes:
        """Return the rows of customers, after the header if they are the first."""
        first = [str(workspace)] * self.labelled
        rows = [
            [in_a_line(cell) for cell in (*first, *csv_row(customer, self.fields, escape_formulas=False))]
            for customer in customers
        ]
        lines = []
        if rows and not self._widths:
            header = ["workspace"] * self.labelled + list(self.fields)
            self._widths = _fit([header, *rows], Console().width if sys.stdout.isatty() else None)
            lines.append(click.style(self._line(header), bold=True) if sys.stdout.isatty() else self._line(header))
        return "".join(f"{line}\n" for line in (*lines, *map(self._line, rows))).encode()

    def _line(self, row: Sequence[str]) -> str:
        names = [""] * self.labelled + list(self.fields)
        columns = zip(row, self._widths, names, strict=True)
        return _GAP.join(_cell(text, width, right=name in _RIGHT) for text, width, name in columns).rstrip()


def _fit(rows: Sequence[Sequence[str]], available: int | None) -> list[int]:
    """Return the columns' widths; where they do not fit, the widest gives way, ids last."""
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    names = list(zip(rows[0], widths, strict=True))
    amounts = [width if name in _RIGHT else _NARROWEST for name, width in names]  # an amount is never cut
    ids = [
        min(width, _WHOLE) if name.endswith("id") else least
        for (name, width), least in zip(names, amounts, strict=True)
    ]
    for floor in (ids, amounts):
        while available and sum(widths) + len(_GAP) * (len(widths) - 1) > available:
            spare = [width - least for width, least in zip(widths, floor, strict=True)]
            if max(spare) <= 0:
                break
            widths[spare.index(max(spare))] -= 1
    return widths


def _cell(text: str, width: int, *, right: bool) -> str:
    length = cell_len(text)
    if right:
        return f"{' ' * (width - length)}{text}"
    return f"{set_cell_size(text, width - 1)}…" if length > width else set_cell_size(text, width)
