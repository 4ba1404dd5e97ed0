"""A table on a terminal, written while its rows come.

The first rows fix the widths. If there is too little room, first the names of the columns shrink, then the gaps, then
the widest column; ids are the last, and amounts are never cut. (`rich.table.Table` measures each page anew, cuts both,
and takes forty times as long.)
"""

import sys
from collections.abc import Collection, Iterable, Sequence

import click
from attrs import define, field
from rich.cells import cell_len, set_cell_size
from rich.console import Console

from piriod_async.plain_text import sanitize_line

_SEPARATOR, _NARROW_SEPARATOR = "  ", " "
_MIN_NAME_WIDTH = 3  # terminal cells, of the name of a column
_MIN_WIDTH = 4  # terminal cells
_MAX_ID_WIDTH = 24  # terminal cells; an id that is cut is of no use


@define
class TextTable:
    """Encode rows as a table whose columns are as wide as the first rows need.

    Args:
        names: Names of the columns.
        numbers: Names of those that are aligned to the right, and never cut.
        count: Number of rows so far.
    """

    names: Sequence[str]
    numbers: Collection[str] = ()
    count: int = field(default=0, init=False)
    _widths: Sequence[int] = field(default=(), init=False)
    _separator: str = field(default=_SEPARATOR, init=False)

    def encode(self, rows: Iterable[Iterable[object]]) -> bytes:
        """Return one line per row, after the header if these are the first."""
        cells = [[sanitize_line(cell) for cell in row] for row in rows]
        lines = [self._start(cells)] if cells and not self.count else []
        self.count += len(cells)
        return "".join(f"{line}\n" for line in (*lines, *map(self._line, cells))).encode()

    def _start(self, rows: Sequence[Sequence[str]]) -> str:
        """Choose the widths, and return the header."""
        console = Console()
        is_terminal = sys.stdout.isatty()
        self._widths, self._separator = self._fit(rows, console.width if is_terminal else None)
        header = self._line([_cut(name, width) for name, width in zip(self.names, self._widths, strict=True)])
        is_bold = is_terminal and not (console.is_dumb_terminal or console.no_color)
        return click.style(header, bold=True) if is_bold else header

    def _line(self, row: Sequence[str]) -> str:
        columns = zip(row, self._widths, self.names, strict=True)
        return self._separator.join(
            _cell(text, width, right=name in self.numbers) for text, width, name in columns
        ).rstrip()

    def _fit(self, rows: Sequence[Sequence[str]], available: int | None) -> tuple[list[int], str]:
        """Return the widths of columns and what separates them, so that they fit if possible.

        Args:
            rows: Cells of the first rows.
            available: Width of the terminal; None for no limit.
        """
        contents = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
        widths = [max(len(name), width) for name, width in zip(self.names, contents, strict=True)]
        if available is None:
            return widths, _SEPARATOR
        with_short_names = [
            max(min(len(name), _MIN_NAME_WIDTH), width) for name, width in zip(self.names, contents, strict=True)
        ]
        gaps = len(widths) - 1
        _shrink(widths, with_short_names, available - gaps * len(_SEPARATOR))
        separator = _SEPARATOR if sum(widths) + gaps * len(_SEPARATOR) <= available else _NARROW_SEPARATOR
        columns = list(zip(self.names, widths, strict=True))
        minimums = [width if name in self.numbers else _MIN_WIDTH for name, width in columns]
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
