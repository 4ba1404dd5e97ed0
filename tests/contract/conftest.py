"""Both servers with the same customers, once for each module of tests."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from aiohttp import ClientSession

from piriod_async.testing import MockServer
from tests.contract.customers import MADE_UP, SPECIAL
from tests.support.raw_client import RawClient

if TYPE_CHECKING:
    from tests.contract.reference.server import Reference


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http() -> AsyncIterator[ClientSession]:
    async with ClientSession() as session:
        yield session


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clients(http: ClientSession, reference_server: "Reference") -> AsyncIterator[dict[str, RawClient]]:
    """A client of each server."""
    reference_server.clear()
    async with MockServer(customers=MADE_UP) as server:
        for customer in SPECIAL:
            server.add(customer)
        reference = reference_server
        both = {
            "framework": RawClient(http, reference.url, reference.token, reference.workspace),
            "mock": RawClient(http, server.url, server.token, server.workspace),
        }
        hidden = {special["id"]: special.get("subscriptions", []) for special in SPECIAL}
        live = [{**customer, "subscriptions": hidden.get(customer["id"], [])} for customer in server.customers()]
        test = await both["mock"].page("page_size=100", x_piriod_test_mode="true")
        reference.load([*live, *test["results"]])
        yield both
    reference_server.clear()


@pytest.fixture(params=["framework", "mock"])
def client(request: pytest.FixtureRequest, clients: dict[str, RawClient]) -> RawClient:
    """A client of one server; the test runs once for each."""
    return clients[request.param]
