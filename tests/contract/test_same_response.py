"""The same request to both servers gets the same response."""

from typing import Any

import pytest

from tests.contract.queries import QUERIES, REQUESTS
from tests.support.raw_client import RawClient

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("query", QUERIES)
async def test_query(clients: dict[str, RawClient], query: str) -> None:
    """Status, headers and body are equal for every query."""
    assert await clients["mock"].fetch(query) == await clients["framework"].fetch(query)


@pytest.mark.parametrize("page", [1, 2, 3])
async def test_record(clients: dict[str, RawClient], page: int) -> None:
    """Every record is equal."""
    query = f"ordering=created&page_size=100&page={page}"
    assert await clients["mock"].fetch(query) == await clients["framework"].fetch(query)


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
async def test_request(clients: dict[str, RawClient], request_: dict[str, Any]) -> None:
    """Status, headers and body are equal for other headers, paths and methods."""
    assert await clients["mock"].fetch(**request_) == await clients["framework"].fetch(**request_)
