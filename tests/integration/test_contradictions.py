"""Over real sockets: a server whose counts, links or pages contradict each other never ends a listing unnoticed."""

from collections.abc import Callable
from typing import Any

import pytest

from piriod_async import IncompleteListError, RetryPolicy
from piriod_async.testing import RecordedRequest
from tests.support.contradicting_server import Alter, ContradictingServer

pytestmark = pytest.mark.usefixtures("no_leaks")

BY_CREATED = ["created", "-created"]
BY_NUMBER = ["name", None]


def count_as(count: Callable[[int], int]) -> Alter:
    """Alter the count alone: rows and links stay right."""
    return lambda _, body: body | {"count": count(body["count"])}


TOO_SMALL = {
    "capped": count_as(lambda count: min(count, 100)),
    "halved": count_as(lambda count: count // 2),
    "zero": count_as(lambda _: 0),
    "negative": count_as(lambda count: -count),
}


async def read(server: ContradictingServer, ordering: str | None) -> tuple[list[str], IncompleteListError | None]:
    """Return the ids that a listing delivered, and the error that it ended with."""
    ids: list[str] = []
    async with server.session(retry=RetryPolicy(attempts=1)) as piriod:
        try:
            async for page in piriod.customers(ordering=ordering).pages():
                ids.extend(customer.id for customer in page.customers)
        except IncompleteListError as error:
            return ids, error
    return ids, None


@pytest.mark.parametrize("ordering", BY_CREATED)
@pytest.mark.parametrize("alter", TOO_SMALL.values(), ids=TOO_SMALL)
async def test_count_too_small(alter: Alter, ordering: str) -> None:
    """By `created`, a list is read completely, though its count is too small."""
    async with ContradictingServer(1_000, alter=alter) as server:
        ids, error = await read(server, ordering)
        assert error is None
        assert sorted(ids) == sorted(customer["id"] for customer in server.customers())
        assert len(server.requests) <= 16


@pytest.mark.parametrize("ordering", BY_NUMBER)
@pytest.mark.parametrize("alter", TOO_SMALL.values(), ids=TOO_SMALL)
async def test_count_too_small_by_number(alter: Alter, ordering: str | None) -> None:
    """By page number, links are followed beyond the count; then the listing says that they contradict it."""
    async with ContradictingServer(1_000, alter=alter) as server:
        ids, error = await read(server, ordering)
        assert "count does not match the pages: received 1000 customers" in str(error)
        assert len(set(ids)) == len(ids) == 1_000
        assert len(server.requests) == 11


@pytest.mark.parametrize("ordering", [*BY_CREATED, *BY_NUMBER])
@pytest.mark.parametrize("count", [1_001, 3_500, 100_000, 10**12])
async def test_count_too_large(ordering: str | None, count: int) -> None:
    """Everything is delivered, then an error raised; few pages are requested that do not exist."""
    async with ContradictingServer(1_000, alter=count_as(lambda _: count)) as server:
        ids, error = await read(server, ordering)
        assert error is not None
        assert f"{count}" in str(error)
        assert len(set(ids)) == len(ids) == 1_000
        assert len(server.requests) <= 100


@pytest.mark.parametrize("ordering", [*BY_CREATED, *BY_NUMBER])
async def test_old_first_page(ordering: str | None) -> None:
    """If only the first request is answered by an up-to-date server, the listing raises an error."""
    server: ContradictingServer

    def alter(request: RecordedRequest, body: dict[str, Any]) -> dict[str, Any]:
        if len(server.requests) == 0:
            for customer in server.customers()[-150:]:
                server.remove(customer["id"])
        elif request.params["page"] == "1" and not request.params.get("created__gte"):
            body["count"] = 350
        return body

    async with ContradictingServer(350, alter=alter) as server:
        ids, error = await read(server, ordering)
        assert error is not None
        assert len(set(ids)) == len(ids) <= 300


@pytest.mark.parametrize("ordering", BY_NUMBER)
async def test_customers_exchanged(ordering: str | None) -> None:
    """Five customers deleted and five added between two pages: page 1 differs at the end, so an error is raised."""
    server: ContradictingServer

    def alter(_: RecordedRequest, body: dict[str, Any]) -> dict[str, Any]:
        if len(server.requests) == 0:
            for customer in body["results"][:5]:
                server.remove(customer["id"])
            for _ in range(5):
                server.add(name="Zz", created=server.customers()[0]["created"])
        return body

    async with ContradictingServer(350, alter=alter) as server:
        ids, error = await read(server, ordering)
        assert "changed while it was read by page number" in str(error)
        assert len(set(ids)) == len(ids)
        assert len(server.requests) == 5


@pytest.mark.parametrize("ordering", [*BY_CREATED, *BY_NUMBER])
async def test_links_without_end(ordering: str | None) -> None:
    """A server that links to a next page from each, the last included, does not keep a listing going."""
    async with ContradictingServer(250, alter=lambda _, body: body | {"next": "http://127.0.0.1/?page=9"}) as server:
        ids, error = await read(server, ordering)
        assert len(set(ids)) == len(ids) == 250
        assert (error is None) == (ordering in BY_CREATED)
        assert len(server.requests) <= 20


@pytest.mark.parametrize("ordering", [*BY_CREATED, *BY_NUMBER])
async def test_one_page_for_all(ordering: str | None) -> None:
    """A server that returns one page whatever the query is named as such: the list does not grow, nor change."""
    first: dict[str, Any] = {}

    def alter(_: RecordedRequest, body: dict[str, Any]) -> dict[str, Any]:
        for customer in body["results"]:
            customer["created"] = "2024-01-01T00:00:00Z"
        first.update(first or body)
        return first

    async with ContradictingServer(1_000, alter=alter) as server:
        ids, error = await read(server, ordering)
        message = (
            "the server repeats pages" if ordering in BY_CREATED else "the server returns page 1 under other numbers"
        )
        assert str(error).startswith(message)
        assert len(set(ids)) == len(ids) == 100
        assert len(server.requests) <= 150
