"""The data behind the mock server: workspaces, their customers, and a log of changes."""

from collections.abc import Iterable, Mapping, Sequence
from random import Random
from threading import RLock
from typing import TYPE_CHECKING, Any

import msgspec

from piriod_async.testing.mock_server.customer_fields import (
    BUILTIN_TYPES,
    CustomerFields,
    Record,
    check_fields,
    check_record,
)
from piriod_async.testing.mock_server.factory import CustomerFactory, spaced_timestamps
from piriod_async.testing.mock_server.mutations import Change, ChangeKind
from piriod_async.testing.mock_server.table import CustomerTable
from piriod_async.testing.mock_server.workspaces import Customers, check_workspaces

if TYPE_CHECKING:
    from piriod_async.testing.mock_server.recorded_request import RecordedRequest

TEST_MODE_CUSTOMERS = 25


class Store:
    """Workspaces with customers. Made-up customers are made on first use.

    Methods can be called from any thread.

    Attributes:
        workspaces: Ids of all workspaces.
        workspace: Id of the first workspace.
        requests: Requests received, in the order of the responses.
        changes: Changes to customers, by method calls and by `mutations`.
    """

    def __init__(self, customers: Customers | Mapping[str, Customers], seed: int) -> None:
        self._seed = seed
        self._lock = RLock()  # the server may run in another thread than the test
        self._tables: dict[tuple[str, bool], CustomerTable] = {}
        self._sizes: dict[str, int] = {}
        for workspace, given in check_workspaces(customers).items():
            if isinstance(given, int):
                self._sizes[workspace] = given
            else:  # made now, so that `remove` and `update` know their ids
                self._sizes[workspace] = len(given)
                for test_mode in (False, True):
                    mine = [fields for fields in given if _is_test_data(fields) is test_mode]
                    self._make_table(workspace, mine, test_mode=test_mode)
        self.workspaces = tuple(self._sizes)
        self.workspace = self.workspaces[0]
        self.requests: list[RecordedRequest] = []
        self.changes: list[Change] = []

    def customers(self, workspace: str | None = None) -> list[dict[str, Any]]:
        """Return copies of a workspace's customers, oldest first, with aware datetimes and decimals.

        Args:
            workspace: Id of the workspace; by default the first.

        Raises:
            ValueError: The workspace is unknown.
        """
        copy = msgspec.to_builtins
        with self._lock:
            return [copy(customer.payload, builtin_types=BUILTIN_TYPES) for customer in self._table(workspace)]

    def add(self, customer: Record | None = None, *, workspace: str | None = None, **fields: Any) -> str:
        """Add a customer and return its id.

        Args:
            customer: A `Customer`, or fields as in the `customers` of `MockServer`. `created` is by default later than
                that of all others.
            workspace: Id of the workspace; by default the first.
            **fields: More fields.

        Raises:
            ValueError: A field is invalid, the id is taken, or the workspace is unknown.
        """
        given = check_record({} if customer is None else customer, "customer")
        more = check_fields(fields, "customer")
        given = CustomerFields({**given.payload, **more.payload}, {**given.columns, **more.columns})
        id_ = given.columns.get("id")
        with self._lock:
            if id_ is not None and self._find(id_):
                raise ValueError(f"id={id_!r}: expected an id that no customer has already")
            return self._create(self._table(workspace, test_mode=_is_test_data(given)), given)

    def remove(self, id_: str) -> None:
        """Delete a customer.

        Raises:
            KeyError: No customer has this id.
        """
        with self._lock:
            self._delete(self._table_with(id_), id_)

    def update(self, id_: str, /, **fields: Any) -> None:
        """Overwrite fields of a customer. Its `updated` becomes the newest, unless it is among the fields.

        Args:
            id_: Id of the customer; it cannot change. `test_mode` moves it to the test data, or from there.
            **fields: Values as in the `customers` of `MockServer`.

        Raises:
            KeyError: No customer has this id.
            ValueError: A field is invalid.
        """
        changed = check_fields(fields, "customer")
        if changed.columns.get("id", id_) != id_:
            raise ValueError(f"id={fields['id']!r}: expected no other id than {id_!r}, ids do not change")
        with self._lock:
            table = self._table_with(id_)
            if isinstance(test_mode := changed.payload.get("test_mode"), bool):
                target = self._table(table.workspace, test_mode=test_mode)
                if target is not table:
                    target.add(table.remove(id_))
                    table = target
            self._edit(table, id_, changed)

    def unchanged_ids(self, workspace: str | None = None) -> list[str]:
        """Return the ids of customers that were there from the start and never changed, oldest first.

        However the list moves, a complete listing contains them all.

        Args:
            workspace: Id of the workspace; by default the first.

        Raises:
            ValueError: The workspace is unknown.
        """
        with self._lock:
            changed = {change.id for change in self.changes}
            return [customer.id for customer in self._table(workspace) if customer.id not in changed]

    def _table(self, workspace: str | None = None, *, test_mode: bool = False) -> CustomerTable:
        workspace = workspace or self.workspace
        if workspace not in self._sizes:
            raise ValueError(f"workspace={workspace!r}: expected one of {', '.join(self.workspaces)}")
        key = workspace, test_mode
        if key not in self._tables:
            size = TEST_MODE_CUSTOMERS if test_mode else self._sizes[workspace]
            self._make_table(workspace, [CustomerFields()] * size, test_mode=test_mode)
        return self._tables[key]

    def _make_table(self, workspace: str, given: Sequence[CustomerFields], *, test_mode: bool) -> None:
        random = Random(f"{self._seed}/{workspace}/{test_mode}")
        factory = CustomerFactory(random, test_mode=test_mode)
        times = spaced_timestamps(len(given), random)
        customers = [factory.make(created, fields) for created, fields in zip(times, given, strict=True)]
        self._tables[workspace, test_mode] = CustomerTable(workspace, customers, factory)

    def _find(self, id_: str) -> CustomerTable | None:
        return next((table for table in self._tables.values() if id_ in table), None)

    def _table_with(self, id_: str) -> CustomerTable:
        if table := self._find(id_):
            return table
        raise KeyError(id_)

    def _mutate(self, table: CustomerTable, kinds: Iterable[ChangeKind], random: Random) -> None:
        """Apply changes to random customers."""
        for kind in kinds:
            if kind == "create":
                self._create(table, CustomerFields())
            elif len(table):
                id_ = table[int(random.random() * len(table))].id
                if kind == "delete":
                    self._delete(table, id_)
                else:
                    other = table.make(CustomerFields()).payload
                    self._edit(table, id_, CustomerFields({name: other[name] for name in ("name", "country", "state")}))

    def _create(self, table: CustomerTable, fields: CustomerFields) -> str:
        customer = table.make(fields)
        table.add(customer)
        self._log("create", table, customer.id)
        return customer.id

    def _delete(self, table: CustomerTable, id_: str) -> None:
        table.remove(id_)
        self._log("delete", table, id_)

    def _edit(self, table: CustomerTable, id_: str, fields: CustomerFields) -> None:
        table.update(id_, fields)
        self._log("edit", table, id_)

    def _log(self, kind: ChangeKind, table: CustomerTable, id_: str) -> None:
        self.changes.append(Change(kind, id_, table.workspace, request=len(self.requests)))


def _is_test_data(fields: CustomerFields) -> bool:
    return fields.payload.get("test_mode") is True
