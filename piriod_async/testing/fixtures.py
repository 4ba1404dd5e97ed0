"""Fixtures for pytest, for a ``conftest.py``: ``pytest_plugins = ["piriod_async.testing.fixtures"]``.

They need pytest-asyncio, or pytest-aiohttp, which brings it. In the tests that use them retries do not wait.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any, Protocol

import pytest
import pytest_asyncio

from piriod_async.testing import no_backoff
from piriod_async.testing.mock_server.server import MockServer


class MakeSandbox(Protocol):
    """Starts a sandbox, which stops when the test ends."""

    async def __call__(self, customers: Any = 1_000, **options: Any) -> MockServer:
        """Take what ``MockServer`` takes."""
        ...


@pytest.fixture
def _no_waiting() -> Iterator[None]:
    with no_backoff():
        yield


@pytest_asyncio.fixture
async def make_piriod_server(_no_waiting: None) -> AsyncIterator[MakeSandbox]:
    """Give what makes sandboxes to order.

    Example:
        >>> sandbox = await make_piriod_server({"acc_1": 250}, latency=0.01)
    """
    async with AsyncExitStack() as stack:

        async def make(customers: Any = 1_000, **options: Any) -> MockServer:
            return await stack.enter_async_context(MockServer(customers, **options))

        yield make


@pytest_asyncio.fixture
async def piriod_server(make_piriod_server: MakeSandbox) -> MockServer:
    """Give a sandbox with a thousand customers, new for each test."""
    return await make_piriod_server()
