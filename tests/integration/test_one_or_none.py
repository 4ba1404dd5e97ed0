"""The only customer that matches, or None: never the first of several, and nothing that cannot be known."""

from collections.abc import Iterator
from typing import Any

import pytest

from piriod_async import (
    DecodeError,
    FilterIgnoredError,
    IncompleteListError,
    MultipleCustomersError,
    QueryError,
    RetryPolicy,
)
from piriod_async.testing import MockServer, RecordedRequest
from piriod_async.testing.mock_server import OMITTED, Unchecked
from tests.support.contradicting_server import ContradictingServer

pytestmark = pytest.mark.usefixtures("no_leaks")

TAX_ID = "76.123.456-0"
each_way = pytest.mark.parametrize("ordering", ["created", "-created", "name", None])
whatever_is_invalid = pytest.mark.parametrize("on_invalid", ["raise", "skip"])
DAMAGE: dict[str, Any] = {"phone": Unchecked(5)}


def serving(matching: int) -> MockServer:
    """Return a server with some customers of one tax id, and others."""
    server = MockServer(30)
    for number in range(1, matching + 1):
        server.add(id=f"cus_{number}", tax_id=TAX_ID)
    return server


def params_sent(server: MockServer) -> Iterator[tuple[str, str]]:
    """Yield page and page size of each request."""
    for request in server.requests:
        yield request.params["page"], request.params["page_size"]


@each_way
async def test_one(ordering: str | None) -> None:
    """The only customer takes one request, for two customers."""
    async with serving(1) as server, server.session() as piriod:
        customer = await piriod.customers(tax_id=TAX_ID, ordering=ordering).one_or_none()
        assert customer is not None
        assert customer.id == "cus_1"
        assert list(params_sent(server)) == [("1", "2")]


@each_way
async def test_none(ordering: str | None) -> None:
    """So does None."""
    async with serving(0) as server, server.session() as piriod:
        assert await piriod.customers(tax_id=TAX_ID, ordering=ordering).one_or_none() is None
        assert list(params_sent(server)) == [("1", "2")]


@each_way
@pytest.mark.parametrize("matching", [2, 3])
async def test_several(matching: int, ordering: str | None) -> None:
    """So does the error, which names two of several, and counts them all."""
    async with serving(matching) as server, server.session() as piriod:
        with pytest.raises(MultipleCustomersError) as caught:
            await piriod.customers(tax_id=TAX_ID, ordering=ordering).one_or_none()
        error = caught.value
        assert list(params_sent(server)) == [("1", "2")]
        assert len(set(error.ids)) == 2
        assert set(error.ids) <= {"cus_1", "cus_2", "cus_3"}
        assert (error.count, error.workspace, error.attempts, error.retryable) == (matching, "acc_mock", 1, False)
        more = ", …" if matching > 2 else ""
        assert str(error) == (
            f"several customers match: expected one or none, got {error.ids[0]}, {error.ids[1]}{more}"
            " (workspace acc_mock)"
        )
        assert TAX_ID not in str(error)


@pytest.mark.parametrize("ordering", ["created", "-created"])
async def test_after_checkpoint(ordering: str) -> None:
    """Of a resumed listing, it is the only customer of the rest."""
    async with serving(3) as server, server.session() as piriod:
        listing = piriod.customers(tax_id=TAX_ID, ordering=ordering)
        checkpoints = []
        async for _ in listing:
            checkpoints.append(listing.checkpoint)  # noqa: PERF401 (it changes with each customer)
        server.requests.clear()
        rest = [piriod.customers(tax_id=TAX_ID, ordering=ordering, after=each) for each in checkpoints]
        with pytest.raises(MultipleCustomersError):
            await rest[0].one_or_none()
        assert len(server.requests) == 1
        last = await rest[1].one_or_none()
        assert last is not None
        assert last.id == ("cus_3" if ordering == "created" else "cus_1")
        assert await rest[2].one_or_none() is None
        assert len(server.requests) == 4


@whatever_is_invalid
async def test_several_of_which_one_is_invalid(on_invalid: Any) -> None:
    """A customer that cannot be decoded is one all the same, so the other is not the only one."""
    async with serving(2) as server, server.session() as piriod:
        for damaged in ("cus_1", "cus_2"):  # then both
            server.update(damaged, **DAMAGE)
            with pytest.raises(MultipleCustomersError) as caught:
                await piriod.customers(tax_id=TAX_ID, on_invalid=on_invalid).one_or_none()
            assert caught.value.ids == ("cus_1", "cus_2")


@whatever_is_invalid
async def test_invalid(on_invalid: Any) -> None:
    """The only customer cannot be decoded: neither None, which would have it created twice, nor skipped."""
    async with serving(1) as server, server.session() as piriod:
        server.update("cus_1", **DAMAGE)
        with pytest.raises(DecodeError) as caught:
            await piriod.customers(tax_id=TAX_ID, on_invalid=on_invalid).one_or_none()
        assert (caught.value.record_id, caught.value.path) == ("cus_1", "results[0].phone")
        assert len(server.requests) == 1


@whatever_is_invalid
@pytest.mark.parametrize("matching", [1, 2])
async def test_without_id(matching: int, on_invalid: Any) -> None:
    """A record without an id cannot be named, so it is an error that it cannot be decoded."""
    async with serving(matching) as server, server.session() as piriod:
        server.update("cus_1", id=OMITTED)
        with pytest.raises(DecodeError, match=r"results\[0\]\.id"):
            await piriod.customers(tax_id=TAX_ID, on_invalid=on_invalid).one_or_none()
        assert len(server.requests) == 1


def repeated(times: int, extra: int = 0) -> Any:
    """Return a function that repeats the first customer of a list, as a filter that joins tables does.

    Args:
        times: How often the list has it.
        extra: By how many the count is too large.
    """

    def alter(request: RecordedRequest, body: dict[str, Any]) -> dict[str, Any]:
        rows = body["results"][:1] * times + body["results"][1:]
        return body | {"results": rows[: int(request.params["page_size"])], "count": len(rows) + extra}

    return alter


@each_way
@pytest.mark.parametrize(("times", "requests"), [(2, 1), (3, 2)])
async def test_repeated(times: int, requests: int, ordering: str | None) -> None:
    """A customer that the server repeats is one; if two rows do not tell, the listing is read."""
    async with ContradictingServer(1, alter=repeated(times)) as server, server.session() as piriod:
        customer = await piriod.customers(ordering=ordering).one_or_none()
        assert customer is not None
        assert customer.id == server.customers()[0]["id"]
        assert len(server.requests) == requests


@each_way
async def test_another_behind_a_repeated_one(ordering: str | None) -> None:
    """A second customer is found behind the rows of the first."""
    async with ContradictingServer(2, alter=repeated(2)) as server, server.session() as piriod:
        with pytest.raises(MultipleCustomersError) as caught:
            await piriod.customers(ordering=ordering).one_or_none()
        assert set(caught.value.ids) == {row["id"] for row in server.customers()}
        assert len(server.requests) == 2


async def test_invalid_behind_a_repeated_one() -> None:
    """If the second cannot be decoded, it is an error too, also for a listing that skips such records."""
    async with ContradictingServer(2, alter=repeated(2)) as server, server.session() as piriod:
        server.update(server.customers()[1]["id"], **DAMAGE)
        with pytest.raises(DecodeError):
            await piriod.customers(on_invalid="skip").one_or_none()


@each_way
@pytest.mark.parametrize("matching", [0, 1])
async def test_contradiction(matching: int, ordering: str | None) -> None:
    """A server that counts more customers than it gives proves nothing: an error, not None and not the only one."""

    def alter(_: RecordedRequest, body: dict[str, Any]) -> dict[str, Any]:
        return body | {"count": 7}

    async with (
        ContradictingServer(matching, alter=alter) as server,
        server.session(retry=RetryPolicy(attempts=1)) as piriod,
    ):
        with pytest.raises((IncompleteListError, DecodeError), match="7"):
            await piriod.customers(ordering=ordering).one_or_none()


async def test_deleted_meanwhile() -> None:
    """The framework counts first: a customer deleted in between is counted and missing, and the next response tells."""
    server: ContradictingServer

    def alter(_: RecordedRequest, body: dict[str, Any]) -> dict[str, Any]:
        return body | {"count": 2} if len(server.requests) == 0 else body

    async with ContradictingServer(1, alter=alter) as server, server.session() as piriod:
        customer = await piriod.customers().one_or_none()
        assert customer is not None
        assert len(server.requests) == 2


@pytest.mark.parametrize("matching", [1, 2])
async def test_ignored_filter(matching: int) -> None:
    """A customer that does not match is an error of the filter, not one of several, unless nobody checks."""
    async with MockServer(matching, ignored_params={"tax_id"}) as server, server.session() as piriod:
        with pytest.raises(FilterIgnoredError):
            await piriod.customers(tax_id=TAX_ID).one_or_none()
        unchecked = piriod.customers(tax_id=TAX_ID, check_filters=False)
        if matching == 1:
            assert await unchecked.one_or_none()
        else:
            with pytest.raises(MultipleCustomersError):
                await unchecked.one_or_none()


async def test_retries() -> None:
    """It is retried as every request."""
    async with serving(1) as server, server.session(retry=RetryPolicy(wait_initial=0.001)) as piriod:
        server.fail(status=503, times=2)
        assert await piriod.customers(tax_id=TAX_ID).one_or_none()
        assert len(server.requests) == 3


async def test_first_stays() -> None:
    """`first` still takes the first of several, and the latest iteration stays what it was."""
    async with serving(2) as server, server.session() as piriod:
        listing = piriod.customers(tax_id=TAX_ID)
        first = await listing.first()
        assert first is not None
        assert first.id == "cus_1"
        with pytest.raises(MultipleCustomersError):
            await listing.one_or_none()
        assert listing.progress.requests == 0


async def test_nothing_sent() -> None:
    """A filter that the API would misread is refused before anything is sent."""
    async with serving(1) as server, server.session() as piriod:
        with pytest.raises(QueryError):
            await piriod.customers(tax_id="").one_or_none()
        assert not server.requests


async def test_echoed_token() -> None:
    """An id that echoes the token is not shown."""
    async with serving(0) as server, server.session() as piriod:
        for number in range(2):
            server.add(id=f"cus_{number}_{server.token}", tax_id=TAX_ID)
        with pytest.raises(MultipleCustomersError) as caught:
            await piriod.customers(tax_id=TAX_ID).one_or_none()
        assert server.token not in f"{caught.value} {caught.value.ids}"
        assert len(caught.value.ids) == 2
