"""What the sandbox holds: workspaces, their customers, and what has happened to them."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec

from piriod_async.testing.mock_server.factory import CustomerFactory, spread
from piriod_async.testing.mock_server.mutations import Change, ChangeKind
from piriod_async.testing.mock_server.table import Table

if TYPE_CHECKING:
    from piriod_async.testing.mock_server.recorded_request import RecordedRequest

TEST_CUSTOMERS = 25


class Store:
    """Workspaces that come to life when somebody first asks for them.

    Attributes:
        workspaces: Their ids.
        workspace: The first one.
        requests: What has been asked, in the order of the answers.
        changes: What has happened to customers, by hand or by churn.
    """

    def __init__(self, customers: int | Mapping[str, int], seed: int) -> None:
        self._sizes = {"acc_sandbox": customers} if isinstance(customers, int) else dict(customers)
        if not self._sizes:
            raise ValueError("a sandbox needs a workspace")
        self._seed = seed
        self._tables: dict[tuple[str, bool], Table] = {}
        self.workspaces = tuple(self._sizes)
        self.workspace = self.workspaces[0]
        self.requests: list[RecordedRequest] = []
        self.changes: list[Change] = []

    def customers(self, workspace: str | None = None) -> list[dict[str, Any]]:
        """Copies of all customers of a workspace, the oldest first, with aware datetimes and decimals in them.

        Args:
            workspace: Its id; the first one by default.
        """
        copy = msgspec.to_builtins
        return [copy(row.payload, builtin_types=(datetime, Decimal)) for row in self._table(workspace)]

    def add(self, customer: Mapping[str, Any] | None = None, *, workspace: str | None = None, **fields: Any) -> str:
        """Add a customer and return its id.

        Args:
            customer: Fields to take instead of made-up ones. Any JSON value will do, ``OMITTED`` leaves a field out,
                ``created`` is by default later than everybody's, ``subscriptions`` are ids to filter by.
            workspace: Its id; the first one by default.
            **fields: The same, as keywords.
        """
        return self._create(self._table(workspace), {**(customer or {}), **fields})

    def remove(self, id_: str) -> None:
        """Delete a customer.

        Raises:
            KeyError: If there is no such customer.
        """
        self._delete(self._table_with(id_), id_)

    def update(self, id_: str, /, **fields: Any) -> None:
        """Overwrite fields of a customer, with any JSON value or ``OMITTED``.

        Raises:
            KeyError: If there is no such customer.
        """
        self._edit(self._table_with(id_), id_, fields)

    def untouched(self, workspace: str | None = None) -> list[str]:
        """Ids of the customers that have been there from the start and never changed, the oldest first.

        Args:
            workspace: Its id; the first one by default.
        """
        touched = {change.id for change in self.changes}
        return [row.id for row in self._table(workspace) if row.id not in touched]

    def _table(self, workspace: str | None = None, *, test_mode: bool = False) -> Table:
        workspace = workspace or self.workspace
        key = workspace, test_mode
        if key not in self._tables:
            size = TEST_CUSTOMERS if test_mode else self._sizes[workspace]
            random = Random(f"{self._seed}/{workspace}/{test_mode}")
            factory = CustomerFactory(random, test_mode=test_mode)
            rows = [factory.make(created) for created in spread(size, random)]
            self._tables[key] = Table(workspace, rows, factory)
        return self._tables[key]

    def _table_with(self, id_: str) -> Table:
        for table in self._tables.values():
            if id_ in table:
                return table
        raise KeyError(id_)

    def _stir(self, table: Table, kinds: Iterable[ChangeKind], random: Random) -> None:
        """Let a few things happen to customers picked at random."""
        for kind in kinds:
            if kind == "create":
                self._create(table, {})
            elif len(table):
                id_ = table[int(random.random() * len(table))].id
                if kind == "delete":
                    self._delete(table, id_)
                else:
                    other = table.sample({}).payload
                    self._edit(table, id_, {name: other[name] for name in ("name", "country", "state")})

    def _create(self, table: Table, fields: Mapping[str, Any]) -> str:
        row = table.sample(fields)
        table.add(row)
        self._log("create", table, row.id)
        return row.id

    def _delete(self, table: Table, id_: str) -> None:
        table.remove(id_)
        self._log("delete", table, id_)

    def _edit(self, table: Table, id_: str, fields: Mapping[str, Any]) -> None:
        table.update(id_, fields)
        self._log("edit", table, id_)

    def _log(self, kind: ChangeKind, table: Table, id_: str) -> None:
        self.changes.append(Change(kind, id_, table.workspace, request=len(self.requests)))
