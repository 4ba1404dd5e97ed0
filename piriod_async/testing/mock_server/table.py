"""The customers of one workspace, as a database table."""

from bisect import insort_right
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from piriod_async.datetimes import standard_datetime
from piriod_async.testing.mock_server.factory import LAST_DAY, CustomerFactory
from piriod_async.testing.mock_server.filters import filter_customers
from piriod_async.testing.mock_server.ordering import order_customers
from piriod_async.testing.mock_server.stored_customer import BY_CREATED, StoredCustomer

MAX_CACHED_SELECTIONS = 64
TICK = timedelta(seconds=1)


class CustomerTable:
    """Customers sorted by `created`; ties in the order of insertion.

    Args:
        workspace: Id of the workspace.
        customers: Initial customers, sorted by `created`.
        factory: Makes further customers.
    """

    def __init__(self, workspace: str, customers: Sequence[StoredCustomer], factory: CustomerFactory) -> None:
        self.workspace = workspace
        self._customers = list(customers)
        self._by_id = {customer.id: customer for customer in customers}
        self._factory = factory
        self._selections: dict[frozenset[tuple[str, str]], Sequence[StoredCustomer]] = {}

    def __len__(self) -> int:
        return len(self._customers)

    def __iter__(self) -> Iterator[StoredCustomer]:
        return iter(self._customers)

    def __getitem__(self, index: int) -> StoredCustomer:
        return self._customers[index]

    def __contains__(self, id_: object) -> bool:
        return id_ in self._by_id

    def select(self, params: Mapping[str, str]) -> Sequence[StoredCustomer]:
        """Return the customers that a query matches, in its order. Results are cached until the next change.

        Raises:
            APIException: 400 if a filter has an invalid value.
        """
        key = frozenset(params.items())
        if key not in self._selections:
            if len(self._selections) >= MAX_CACHED_SELECTIONS:
                self._selections.clear()
            matches = filter_customers(self._customers, params)
            self._selections[key] = order_customers(matches, params.get("ordering", ""))
        return self._selections[key]

    def make(self, fields: Mapping[str, Any]) -> StoredCustomer:
        """Make a customer without adding it: newer than all others, unless `fields` says otherwise."""
        created = fields.get("created")
        if isinstance(created, datetime) and created.tzinfo:
            customer = self._factory.make(standard_datetime(created).astimezone(UTC))
        else:
            customer = self._factory.make(self._now())
        customer.set(fields)
        return customer

    def add(self, customer: StoredCustomer) -> None:
        """Insert a customer.

        Raises:
            ValueError: The id is already taken.
        """
        if customer.id in self._by_id:
            raise ValueError(f"id={customer.id!r}: expected an id that no customer has already")
        self._by_id[customer.id] = customer
        insort_right(self._customers, customer, key=BY_CREATED)
        self._selections.clear()

    def remove(self, id_: str) -> None:
        """Delete a customer."""
        self._customers.remove(self._by_id.pop(id_))
        self._selections.clear()

    def update(self, id_: str, fields: Mapping[str, Any]) -> None:
        """Overwrite fields of a customer. `updated` advances unless it is among them."""
        customer = self._by_id[id_]
        created_before = customer.created
        customer.set({"updated": max(self._now(), customer.updated + TICK), **fields})
        if customer.created != created_before:
            self._customers.remove(customer)
            insort_right(self._customers, customer, key=BY_CREATED)
        self._selections.clear()

    def _now(self) -> datetime:
        """Return one second after the newest customer: a clock of its own makes every run the same."""
        return (self._customers[-1].created if self._customers else LAST_DAY) + TICK
