"""Pages, their size and their links."""

import pytest

from tests.support.raw_client import RawClient

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(("size", "length"), [("", 20), ("0", 20), ("-5", 20), ("x", 20), ("7", 7), ("101", 100)])
async def test_page_size(client: RawClient, size: str, length: int) -> None:
    """An invalid size is ignored, one above 100 is clamped."""
    assert len(await client.ids(f"page_size={size}")) == length


@pytest.mark.parametrize("page", ["0", "-1", "two", "4", "LAST"])
async def test_invalid_page(client: RawClient, page: str) -> None:
    """A page that does not exist is a 404."""
    response = await client.fetch(f"page={page}&page_size=100")
    assert (response.status, response.body) == (404, {"detail": "Invalid page."})


@pytest.mark.parametrize("query", ["name=nobody", "name=nobody&page=1", "name=nobody&page=last"])
async def test_empty_list(client: RawClient, query: str) -> None:
    """An empty list has a first page."""
    assert await client.page(query) == {"count": 0, "next": None, "previous": None, "results": []}


async def test_links(client: RawClient) -> None:
    """Links keep the query, sorted, and leave `page=1` out."""
    second = await client.page("page_size=2&page=2&name=e&x=%C3%B1+%26")
    assert second["next"] == "/customers/?name=e&page=3&page_size=2&x=%C3%B1+%26"
    assert second["previous"] == "/customers/?name=e&page_size=2&x=%C3%B1+%26"
    last = await client.page("page_size=100&page=last")
    assert (last["next"], last["previous"]) == (None, "/customers/?page=2&page_size=100")
