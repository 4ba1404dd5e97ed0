"""pytest fixtures. Load them from a `conftest.py`: `pytest_plugins = ["piriod_async.testing.fixtures"]`.

They need pytest-asyncio, or pytest-aiohttp, which depends on it. Retries do not wait in tests that use them.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any, Protocol

import pytest
import pytest_asyncio

from piriod_async.testing import MockServer, no_backoff


class MakeServer(Protocol):
    """Starts a mock server, which stops when the test ends."""

    async def __call__(self, customers: Any = 1_000, **options: Any) -> MockServer:
        """Accept the arguments of `MockServer`."""
        ...


@pytest.fixture
def _no_backoff() -> Iterator[None]:
    with no_backoff():
        yield


@pytest_asyncio.fixture
async def make_piriod_server(_no_backoff: None) -> AsyncIterator[MakeServer]:
    """Provide a function that starts mock servers with the options of your choice.

    ```python
    async def test_slow_server(make_piriod_server):
        server = await make_piriod_server({"acc_1": 250}, latency=0.01)
    ```
    """
    async with AsyncExitStack() as stack:

        async def make(customers: Any = 1_000, **options: Any) -> MockServer:
            return await stack.enter_async_context(MockServer(customers, **options))

        yield make


@pytest_asyncio.fixture
async def piriod_server(make_piriod_server: MakeServer) -> MockServer:
    """Provide a mock server with 1,000 customers, a new one for each test."""
    return await make_piriod_server()
