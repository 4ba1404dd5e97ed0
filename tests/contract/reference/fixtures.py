"""The pytest fixtures `reference_server` and `reference`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.contract.reference.server import Reference


@pytest.fixture(scope="session")
def reference_server() -> Iterator["Reference"]:
    """The reference server of this process."""
    from tests.contract.reference.server import Reference  # noqa: PLC0415  Django is imported only if it is used

    server = Reference().start()
    yield server
    server.stop()


@pytest.fixture
def reference(reference_server: "Reference") -> Iterator["Reference"]:
    """The reference server, empty for one test."""
    reference_server.clear()
    yield reference_server
    reference_server.clear()
