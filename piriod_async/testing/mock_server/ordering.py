"""The order of the list, by the rules of REST Framework's `OrderingFilter`."""

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from random import Random
from typing import Any, Final

from piriod_async.testing.mock_server.stored_customer import BY_CREATED, StoredCustomer

DEFAULT: Final = "-created"
SORT_KEYS: Final[Mapping[str, Callable[[StoredCustomer], Any]]] = {
    "created": BY_CREATED,
    "updated": lambda customer: customer.updated,
    "name": lambda customer: customer.text("name"),
    "email": lambda customer: customer.text("email"),
}


def order_customers(customers: Sequence[StoredCustomer], ordering: str) -> Sequence[StoredCustomer]:
    """Sort customers; equal ones keep their order.

    Args:
        customers: Sorted by `created`.
        ordering: Comma-separated fields, each with an optional `-` for descending. Unknown fields are ignored.
    """
    terms = [term for term in map(str.strip, ordering.split(",")) if term.removeprefix("-") in SORT_KEYS] or [DEFAULT]
    for term in reversed(terms):  # sorted() is stable, so the first term has the last word
        customers = sorted(customers, key=SORT_KEYS[term.removeprefix("-")], reverse=term.startswith("-"))
    return customers


def shuffled_slice(
    customers: Sequence[StoredCustomer], start: int, stop: int, random: Random
) -> Sequence[StoredCustomer]:
    """Return `customers[start:stop]` with ties in random order, as databases may return them.

    Ties are neighbors with the same `created`. Those that reach across the edges of the slice are shuffled as a group,
    so a different one may end up inside.
    """
    first, last = start, min(stop, len(customers))
    while 0 < first < last and customers[first - 1].created == customers[start].created:
        first -= 1
    while first < last < len(customers) and customers[last].created == customers[last - 1].created:
        last += 1
    groups = [list(group) for _, group in groupby(customers[first:last], BY_CREATED)]
    for group in groups:
        random.shuffle(group)
    return [customer for group in groups for customer in group][start - first : stop - first]
