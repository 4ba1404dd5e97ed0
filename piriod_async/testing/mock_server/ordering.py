"""The order of a list, by the rules of REST Framework's OrderingFilter."""

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from random import Random
from typing import Any, Final

from piriod_async.testing.mock_server.record import BY_CREATED, Row

DEFAULT: Final = "-created"
FIELDS: Final[Mapping[str, Callable[[Row], Any]]] = {
    "created": BY_CREATED,
    "updated": lambda row: row.updated,
    "name": lambda row: row.text("name"),
    "email": lambda row: row.text("email"),
}


def ordered(rows: Sequence[Row], ordering: str) -> Sequence[Row]:
    """Rows in the order asked for, what is alike in the order it came.

    Args:
        rows: In the order of ``created``.
        ordering: Names with commas between, ``-`` in front of one to turn it round; unknown ones count for nothing.
    """
    terms = [term for term in map(str.strip, ordering.split(",")) if term.removeprefix("-") in FIELDS] or [DEFAULT]
    for term in reversed(terms):  # sorted() is stable, so the first one comes last
        rows = sorted(rows, key=FIELDS[term.removeprefix("-")], reverse=term.startswith("-"))
    return rows


def shuffled_ties(rows: Sequence[Row], start: int, stop: int, random: Random) -> Sequence[Row]:
    """``rows[start:stop]`` of a list whose neighbours of one instant come as the database likes."""
    first, last = start, min(stop, len(rows))
    while 0 < first < last and rows[first - 1].created == rows[start].created:
        first -= 1
    while first < last < len(rows) and rows[last].created == rows[last - 1].created:
        last += 1
    runs = [list(run) for _, run in groupby(rows[first:last], BY_CREATED)]
    for run in runs:
        random.shuffle(run)
    return [row for run in runs for row in run][start - first : stop - first]
