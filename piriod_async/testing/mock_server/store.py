"""The data behind the mock server: workspaces, their customers, and a log of changes."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec

from piriod_async.datetimes import DATETIME_TYPES, encode_datetime
from piriod_async.testing.mock_server.factory import CustomerFactory, spaced_timestamps
from piriod_async.testing.mock_server.mutations import Change, ChangeKind
from piriod_async.testing.mock_server.table import CustomerTable

if TYPE_CHECKING:
    from piriod_async.testing.mock_server.recorded_request import RecordedRequest

DEFAULT_WORKSPACE = "acc_mock"
TEST_MODE_CUSTOMERS = 25


class Store:
    """Workspaces whose customers are made on first use.

    Attributes:
        workspaces: Ids of all workspaces.
        workspace: Id of the first workspace.
        requests: Requests received, in the order of the responses.
        changes: Changes to customers, by method calls and by `mutations`.
    """

    def __init__(self, customers: int | Mapping[str, int], seed: int) -> None:
        self._sizes = {DEFAULT_WORKSPACE: customers} if isinstance(customers, int) else dict(customers)
        if not self._sizes:
            raise ValueError("customers={}: expected at least one workspace")
        self._seed = seed
        self._tables: dict[tuple[str, bool], CustomerTable] = {}
        self.workspaces = tuple(self._sizes)
        self.workspace = self.workspaces[0]
        self.requests: list[RecordedRequest] = []
        self.changes: list[Change] = []

    def customers(self, workspace: str | None = None) -> list[dict[str, Any]]:
        """Return copies of a workspace's customers, oldest first, with aware datetimes and decimals.

        Args:
            workspace: Id of the workspace; by default the first.
        """
        copy = msgspec.to_builtins
        types = (Decimal, *DATETIME_TYPES)
        return [
            copy(customer.payload, builtin_types=types, enc_hook=encode_datetime) for customer in self._table(workspace)
        ]

    def add(self, customer: Mapping[str, Any] | None = None, *, workspace: str | None = None, **fields: Any) -> str:
        """Add a customer and return its id.

        Args:
            customer: Fields that replace made-up ones, with any JSON value; `OMITTED` leaves a field out. `created` is
                by default later than that of all others. `subscriptions` are ids to filter by.
            workspace: Id of the workspace; by default the first.
            **fields: More fields.
        """
        return self._create(self._table(workspace), {**(customer or {}), **fields})

    def remove(self, id_: str) -> None:
        """Delete a customer.

        Raises:
            KeyError: No customer has this id.
        """
        self._delete(self._table_with(id_), id_)

    def update(self, id_: str, /, **fields: Any) -> None:
        """Overwrite fields of a customer with any JSON value, or remove them with `OMITTED`.

        Raises:
            KeyError: No customer has this id.
        """
        self._edit(self._table_with(id_), id_, fields)

    def unchanged_ids(self, workspace: str | None = None) -> list[str]:
        """Return the ids of customers that were there from the start and never changed, oldest first.

        However the list moves, a complete listing contains them all.

        Args:
            workspace: Id of the workspace; by default the first.
        """
        changed = {change.id for change in self.changes}
        return [customer.id for customer in self._table(workspace) if customer.id not in changed]

    def _table(self, workspace: str | None = None, *, test_mode: bool = False) -> CustomerTable:
        workspace = workspace or self.workspace
        key = workspace, test_mode
        if key not in self._tables:
            size = TEST_MODE_CUSTOMERS if test_mode else self._sizes[workspace]
            random = Random(f"{self._seed}/{workspace}/{test_mode}")
            factory = CustomerFactory(random, test_mode=test_mode)
            customers = [factory.make(created) for created in spaced_timestamps(size, random)]
            self._tables[key] = CustomerTable(workspace, customers, factory)
        return self._tables[key]

    def _table_with(self, id_: str) -> CustomerTable:
        for table in self._tables.values():
            if id_ in table:
                return table
        raise KeyError(id_)

    def _mutate(self, table: CustomerTable, kinds: Iterable[ChangeKind], random: Random) -> None:
        """Apply changes to random customers."""
        for kind in kinds:
            if kind == "create":
                self._create(table, {})
            elif len(table):
                id_ = table[int(random.random() * len(table))].id
                if kind == "delete":
                    self._delete(table, id_)
                else:
                    other = table.make({}).payload
                    self._edit(table, id_, {name: other[name] for name in ("name", "country", "state")})

    def _create(self, table: CustomerTable, fields: Mapping[str, Any]) -> str:
        customer = table.make(fields)
        table.add(customer)
        self._log("create", table, customer.id)
        return customer.id

    def _delete(self, table: CustomerTable, id_: str) -> None:
        table.remove(id_)
        self._log("delete", table, id_)

    def _edit(self, table: CustomerTable, id_: str, fields: Mapping[str, Any]) -> None:
        table.update(id_, fields)
        self._log("edit", table, id_)

    def _log(self, kind: ChangeKind, table: CustomerTable, id_: str) -> None:
        self.changes.append(Change(kind, id_, table.workspace, request=len(self.requests)))
