"""Parts of a listing: together they deliver everybody exactly once, and each is a listing as any other."""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from piriod_async import (
    Checkpoint,
    CustomerListing,
    FilterIgnoredError,
    PiriodSession,
    Progress,
    QueryError,
    RetryPolicy,
    ServerError,
)
from piriod_async.testing import MockServer
from piriod_async.testing.mock_server import OMITTED
from tests.support.moving_server import MOCK_SERVERS, crawl_mock_server, crawl_reference

if TYPE_CHECKING:
    from tests.contract.reference.server import Reference

pytestmark = pytest.mark.usefixtures("no_leaks")

both_ways = pytest.mark.parametrize("ordering", ["created", "-created"])


async def read(parts: list[CustomerListing]) -> list[str]:
    """Read parts concurrently, and return the ids in their order."""
    customers = await asyncio.gather(*(part.collect() for part in parts))
    return [customer.id for part in customers for customer in part]


async def crawl_parts(server: Any, query: dict[str, Any]) -> list[tuple[str, Any]]:
    """Crawl in parts, each with a session of its own."""

    async def crawl(part: CustomerListing) -> list[tuple[str, Any]]:
        bounds: dict[str, Any] = {"created__gte": part.query.created__gte, "created__lte": part.query.created__lte}
        async with PiriodSession(server.token, server.workspace, base_url=server.url) as own:
            return [(customer.id, customer.created) async for customer in own.customers(**query, **bounds)]

    async with PiriodSession(server.token, server.workspace, base_url=server.url) as piriod:
        parts = await piriod.customers(**query).split(4)
    assert len(parts) == 4
    return [each for part in await asyncio.gather(*map(crawl, parts)) for each in part]


def ids_of(server: MockServer, ordering: str = "created") -> list[str]:
    ids = [customer["id"] for customer in server.customers()]
    return ids if ordering == "created" else ids[::-1]


@pytest.mark.parametrize("name", MOCK_SERVERS)
async def test_moving_list(name: str) -> None:
    """Parts that are read side by side skip and repeat nobody while the mock server mutates."""
    report = await crawl_mock_server(name, crawl_parts, seed=3)
    assert report.is_correct, report
    assert report.customers > 800


async def test_reference(reference: "Reference") -> None:
    """So it is while a thread writes to Django REST Framework's database."""
    report = await crawl_reference("framework, -created", reference, crawl_parts, seed=3)
    assert report.is_correct, report
    assert report.customers > 800


@both_ways
@pytest.mark.parametrize(("parts", "pages"), [(1, []), (2, [1, 11]), (5, [1, 5, 9, 13, 17])])
async def test_requests(parts: int, pages: list[int], ordering: str) -> None:
    """A split sends a request for the first page and one for each cut; parts send nothing until they are read."""
    async with MockServer(2_000) as server, server.session() as piriod:
        listing = piriod.customers(ordering=ordering)
        split = await listing.split(parts)
        assert sorted(int(request.params["page"]) for request in server.requests) == pages
        assert {request.params["page_size"] for request in server.requests} <= {"100"}
        assert (listing.progress, listing.checkpoint) == (Progress(), None)
        assert [part.progress for part in split] == [Progress()] * parts
        assert (split[0] is listing, split[0].query == listing.query) == (False, parts == 1)
        counts = [await part.count() for part in split]
        assert counts == pytest.approx([2_000 / parts] * parts, abs=2)
        assert await read(split) == ids_of(server, ordering)


@both_ways
async def test_bounds(ordering: str) -> None:
    """The first and the last part have the bounds of the listing, and all parts have its other filters."""
    async with MockServer(600) as server, server.session() as piriod:
        rows = server.customers()
        query: dict[str, Any] = {
            "country": "CL",
            "ordering": ordering,
            "page_size": 20,
            "created__gte": rows[100]["created"],
            "created__lte": rows[500]["created"],
        }
        listing = piriod.customers(**query)
        parts = await listing.split(3)
        oldest, middle, newest = (part.query for part in (parts if ordering == "created" else parts[::-1]))
        assert (oldest.created__gte, newest.created__lte) == (query["created__gte"], query["created__lte"])
        assert oldest.created__lte
        assert middle.created__lte
        assert oldest.created__lte + timedelta(microseconds=1) == middle.created__gte
        assert middle.created__lte + timedelta(microseconds=1) == newest.created__gte
        assert {(part.query.country, part.query.page_size, part.query.ordering) for part in parts} == {
            ("CL", 20, ordering)
        }
        assert await read(parts) == [customer.id for customer in await listing.collect()]


@both_ways
@pytest.mark.parametrize("precision", ["microseconds", "seconds"])
async def test_resume_part(precision: Any, ordering: str) -> None:
    """A part resumes from its checkpoint, with its bounds; another part does not accept it."""
    async with MockServer(600, timestamp_precision=precision) as server, server.session() as piriod:
        for row in server.customers()[::10]:
            server.add(created=row["created"])
        first, part, last = await piriod.customers(ordering=ordering, page_size=20).split(3)
        taken = []
        async with part:
            async for customer in part:
                taken.append(customer.id)
                if len(taken) == 71:
                    break
        assert part.checkpoint
        checkpoint = Checkpoint.from_json(part.checkpoint.to_json())
        bounds: dict[str, Any] = {"created__gte": part.query.created__gte, "created__lte": part.query.created__lte}
        rest = piriod.customers(ordering=ordering, **bounds, after=checkpoint)
        ids = [*await read([first]), *taken, *await read([rest]), *await read([last])]
        assert len(ids) == len(set(ids))
        assert set(ids) == set(ids_of(server))
        with pytest.raises(QueryError, match=r"after=a checkpoint of .*: expected one of "):
            piriod.customers(ordering=ordering, created__gte=last.query.created__gte, after=checkpoint)


@both_ways
@pytest.mark.parametrize("precision", ["microseconds", "seconds"])
@pytest.mark.parametrize("taken", [1, 20, 150, 659, 660])
async def test_after_checkpoint(taken: int, precision: Any, ordering: str) -> None:
    """After a checkpoint, the parts are of what is left, wherever among ties it is; the first part resumes there."""
    async with MockServer(600, timestamp_precision=precision) as server, server.session() as piriod:
        for row in server.customers()[::10]:
            server.add(created=row["created"])
        listing = piriod.customers(ordering=ordering, page_size=20)
        delivered = []
        async with listing:
            async for customer in listing:
                delivered.append(customer.id)
                if len(delivered) == taken:
                    break
        parts = await piriod.customers(ordering=ordering, page_size=20, after=listing.checkpoint).split(4)
        sizes = [len(await read([part])) for part in parts]
        assert sizes == ([660 - taken] if taken > 600 else pytest.approx([(660 - taken) / 4] * 4, abs=4))
        ids = delivered + await read(parts)
        assert len(ids) == len(set(ids))
        assert set(ids) == set(ids_of(server))


async def test_options() -> None:
    """Parts check the filters, and skip invalid records, as the listing does."""
    async with MockServer(600, ignored_params={"created__gte"}) as server, server.session() as piriod:
        for check_filters in (True, False):
            _, part = await piriod.customers(
                created__lte=server.customers()[50]["created"], check_filters=check_filters
            ).split(2)
            if check_filters:
                with pytest.raises(FilterIgnoredError, match="created__gte"):
                    await part.collect()
            else:
                assert len(await part.collect()) == 51


async def test_records_without_created() -> None:
    """Records without a `created` are reported by the parts that the server finds them in."""
    async with MockServer(600) as server, server.session() as piriod:
        damaged = [server.customers()[index]["id"] for index in (0, 150, 299, 300, 301)]
        for id_ in damaged:
            server.update(id_, created=OMITTED)
        parts = await piriod.customers(on_invalid="skip").split(4)
        ids = await read(parts)
        assert len(parts) == 4
        assert sorted([*ids, *damaged]) == sorted(ids_of(server))
        assert {record.record_id for part in parts for record in part.invalid} == set(damaged)


async def test_error() -> None:
    """A page of a cut that cannot be read is an error, which names the workspace, and cancels the other pages."""
    async with MockServer(2_000) as server, server.session(retry=RetryPolicy(attempts=1)) as piriod:
        server.fail(status=500, page=6)
        server.fail(stall=True, page=16)
        with pytest.raises(ServerError) as caught:
            await piriod.customers().split(4)
        assert caught.value.workspace == server.workspace
        assert piriod.stats.in_flight == 0


@pytest.mark.parametrize("n", [0, -1, 1.5, True, "3", None])
async def test_bad_number(n: Any) -> None:
    """A number of parts that is not a whole number above 0 is a `QueryError`, and nothing is sent."""
    async with MockServer(60) as server, server.session() as piriod:
        with pytest.raises(QueryError, match=f"^n={n!r}: expected a whole number of parts, 1 or more$"):
            await piriod.customers().split(n)
        assert not server.requests


@pytest.mark.parametrize("ordering", [None, "name", "created,name"])
async def test_other_ordering(ordering: str | None) -> None:
    """A listing that is not ordered by `created` alone has no parts."""
    async with MockServer(60) as server, server.session() as piriod:
        with pytest.raises(QueryError, match=f'^ordering={ordering!r}: expected "created" or "-created": parts are'):
            await piriod.customers(ordering=ordering).split(2)
        assert not server.requests
