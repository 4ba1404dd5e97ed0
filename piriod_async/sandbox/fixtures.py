"""For ``conftest.py``: ``pytest_plugins = ["piriod_async.sandbox.fixtures"]``."""

from collections.abc import AsyncIterator

import pytest_asyncio

from piriod_async.sandbox.server import Sandbox


@pytest_asyncio.fixture
async def piriod_sandbox() -> AsyncIterator[Sandbox]:
    """A sandbox with a thousand customers, new for each test."""
    async with Sandbox() as sandbox:
        yield sandbox
