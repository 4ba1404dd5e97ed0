"""``reference``: the real framework, empty, for one test."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.contract.reference.server import Reference


@pytest.fixture(scope="session")
def reference_server() -> Iterator["Reference"]:
    from tests.contract.reference.server import Reference  # noqa: PLC0415  Django only for those who ask for it

    server = Reference().start()
    yield server
    server.stop()


@pytest.fixture
def reference(reference_server: "Reference") -> Iterator["Reference"]:
    reference_server.clear()
    yield reference_server
    reference_server.clear()
