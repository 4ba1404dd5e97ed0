"""The customers of one workspace, as a database table."""

from bisect import insort_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from piriod_async.testing.mock_server.countries import COUNTRIES
from piriod_async.testing.mock_server.customer_fields import CustomerFields
from piriod_async.testing.mock_server.factory import LAST_DAY, CustomerFactory, later
from piriod_async.testing.mock_server.filters import filter_customers
from piriod_async.testing.mock_server.ordering import order_customers
from piriod_async.testing.mock_server.stored_customer import BY_CREATED, StoredCustomer

MAX_CACHED_SELECTIONS = 64
TICK = timedelta(seconds=1)


class CustomerTable:
    """Customers sorted by `created`; ties in the order of insertion.

    Args:
        workspace: Id of the workspace.
        customers: Initial customers, with distinct ids.
        factory: Makes further customers.
    """

    def __init__(self, workspace: str, customers: Iterable[StoredCustomer], factory: CustomerFactory) -> None:
        self.workspace = workspace
        self._customers = sorted(customers, key=BY_CREATED)
        self._by_id = {customer.id: customer for customer in self._customers}
        self._countries = {*COUNTRIES, *map(_country, self._customers)}
        self._factory = factory
        self._last_update = max((customer.updated for customer in self._customers), default=LAST_DAY)
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
            matches = filter_customers(self._customers, params, self._countries)
            self._selections[key] = order_customers(matches, params.get("ordering", ""))
        return self._selections[key]

    def make(self, fields: CustomerFields) -> StoredCustomer:
        """Make a customer without adding it: newer than all others, unless `fields` says otherwise."""
        return self._factory.make(self._now(), fields)

    def add(self, customer: StoredCustomer) -> None:
        """Insert a customer with a new id."""
        self._by_id[customer.id] = customer
        insort_right(self._customers, customer, key=BY_CREATED)
        self._countries.add(_country(customer))
        self._last_update = max(self._last_update, customer.updated)
        self._selections.clear()

    def remove(self, id_: str) -> None:
        """Delete a customer."""
        self._customers.remove(self._by_id.pop(id_))
        self._selections.clear()

    def update(self, id_: str, fields: CustomerFields) -> None:
        """Overwrite fields of a customer. Unless `updated` is among them, it becomes later than that of all others."""
        customer = self._by_id[id_]
        created_before = customer.created
        if "updated" not in fields.payload:
            updated = {"updated": max(self._now(), later(self._last_update, TICK))}
            customer.set(CustomerFields(updated, updated))
        customer.set(fields)
        self._last_update = max(self._last_update, customer.updated)
        if customer.created != created_before:
            self._customers.remove(customer)
            insort_right(self._customers, customer, key=BY_CREATED)
        self._countries.add(_country(customer))
        self._selections.clear()

    def _now(self) -> datetime:
        """Return one second after the newest customer: a clock of its own makes every run the same."""
        return later(self._customers[-1].created if self._customers else LAST_DAY, TICK)


def _country(customer: StoredCustomer) -> str:
    return customer.country if isinstance(customer.country, str) else ""
