"""pytest fixtures. Load them from a `conftest.py`: `pytest_plugins = ["piriod_async.testing.fixtures"]`.

Their servers run in a thread of their own, so they serve any test: synchronous, or async by any plugin and on any event
loop. Retries do not wait in tests that use them.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Protocol

import pytest

from piriod_async.testing import MockServer, no_backoff


class MakeServer(Protocol):
    """Starts a mock server, which stops when the test ends."""

    def __call__(self, customers: Any = 1_000, **options: Any) -> MockServer:
        """Accept the arguments of `MockServer`."""
        ...


@pytest.fixture
def make_piriod_server() -> Iterator[MakeServer]:
    """Provide a function that starts mock servers with the options of your choice.

    ```python
    def test_own_customers(make_piriod_server):
        server = make_piriod_server([{"name": "Ñandú SpA"}, {"name": "El Roble Ltda."}], latency=0.01)
    ```
    """
    with no_backoff(), ExitStack() as stack:

        def make(customers: Any = 1_000, **options: Any) -> MockServer:
            return stack.enter_context(MockServer(customers, **options))

        yield make


@pytest.fixture
def piriod_server(make_piriod_server: MakeServer) -> MockServer:
    """Provide a mock server with 1,000 customers, a new one for each test."""
    return make_piriod_server()
