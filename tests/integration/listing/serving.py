"""A mock server, a session, and what a listing of them must return."""

import asyncio
import json
from contextlib import asynccontextmanager
from operator import itemgetter

import pytest

from piriod_async import IncompleteListError, RetryPolicy
from piriod_async.testing.mock_server import MockServer
from tests.support.tasks import assert_idle

ORDERINGS = ["created", "-created", None, "name", "-name,created", "-updated"]


each_kind = pytest.mark.parametrize("ordering", ["created", None])


@asynccontextmanager
async def serving(customers=500, *, session=None, **options):
    async with MockServer(customers, **options) as server:
        async with server.session(**{"retry": RetryPolicy(attempts=1), **(session or {})}) as piriod:
            yield server, piriod
            assert_idle(piriod)
        while server._runner.server.connections:  # noqa: ASYNC110 (one that was cut lives longer on the other side)
            await asyncio.sleep(0)


def expected(server, ordering):
    customers = server.customers()
    for term in reversed((ordering or "-created").split(",")):
        customers.sort(key=itemgetter(term.removeprefix("-")), reverse=term.startswith("-"))
    return ids_of(customers)


def ids_of(customers):
    return [customer["id"] if isinstance(customer, dict) else customer.id for customer in customers]


def raw_ids(page):
    return ids_of(json.loads(page.raw)["results"])


async def take(listing, taken):
    async with listing:
        async for _ in listing:
            if (taken := taken - 1) == 0:
                break


async def read_pages(listing):
    """Return the ids delivered, the ids in the responses, and the error."""
    delivered, answered = [], set()
    try:
        async for page in listing.pages():
            delivered += ids_of(page.customers)
            answered |= set(raw_ids(page))
    except IncompleteListError as error:
        return delivered, answered, error
    return delivered, answered, None
