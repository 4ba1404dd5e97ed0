"""The customers of one workspace, as a database would keep them."""

from bisect import insort_right
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from piriod_async.testing.mock_server.factory import LAST_DAY, CustomerFactory
from piriod_async.testing.mock_server.filters import filtered
from piriod_async.testing.mock_server.ordering import ordered
from piriod_async.testing.mock_server.record import BY_CREATED, Row

SELECTIONS_KEPT = 64
TICK = timedelta(seconds=1)


class Table:
    """Rows in the order of their ``created``; those of one instant in the order they came.

    Args:
        workspace: Whose customers these are.
        rows: The first ones.
        factory: Makes up more.
    """

    def __init__(self, workspace: str, rows: Sequence[Row], factory: CustomerFactory) -> None:
        self.workspace = workspace
        self._rows = list(rows)
        self._by_id = {row.id: row for row in rows}
        self._factory = factory
        self._selections: dict[frozenset[tuple[str, str]], Sequence[Row]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)

    def __getitem__(self, index: int) -> Row:
        return self._rows[index]

    def __contains__(self, id_: object) -> bool:
        return id_ in self._by_id

    def select(self, params: Mapping[str, str]) -> Sequence[Row]:
        """The rows a query asks for, in its order.

        Raises:
            Refusal: If a filter has a value the framework does not take.
        """
        key = frozenset(params.items())
        if key not in self._selections:
            if len(self._selections) >= SELECTIONS_KEPT:
                self._selections.clear()
            self._selections[key] = ordered(filtered(self._rows, params), params.get("ordering", ""))
        return self._selections[key]

    def sample(self, fields: Mapping[str, Any]) -> Row:
        """Make up a customer, newer than all others but for the fields given, without adding it."""
        created = fields.get("created")
        is_aware = isinstance(created, datetime) and created.tzinfo
        row = self._factory.make(created.astimezone(UTC) if created and is_aware else self._now())
        row.set(fields)
        return row

    def add(self, row: Row) -> None:
        """Insert a row."""
        if row.id in self._by_id:
            raise ValueError(f"there is a customer {row.id} already")
        self._by_id[row.id] = row
        insort_right(self._rows, row, key=BY_CREATED)
        self._selections.clear()

    def remove(self, id_: str) -> None:
        """Delete a row."""
        self._rows.remove(self._by_id.pop(id_))
        self._selections.clear()

    def update(self, id_: str, fields: Mapping[str, Any]) -> None:
        """Overwrite fields of a row; ``updated`` moves on by itself."""
        row = self._by_id[id_]
        before = row.created
        row.set({"updated": max(self._now(), row.updated + TICK), **fields})
        if row.created != before:
            self._rows.remove(row)
            insort_right(self._rows, row, key=BY_CREATED)
        self._selections.clear()

    def _now(self) -> datetime:
        """A clock of our own, so that every run is the same: a second after the newest customer."""
        return (self._rows[-1].created if self._rows else LAST_DAY) + TICK
