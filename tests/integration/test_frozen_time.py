"""While freezegun freezes the time, and replaces `datetime` in all modules, everything works as before."""

import io
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import freezegun
import pyarrow.dataset  # noqa: F401  pyarrow itself warns if this is first imported while the time is frozen
import pyarrow.parquet as pq
import pytest

from piriod_async import Checkpoint, Customer, CustomerQuery, PiriodSession, QueryError, export
from piriod_async.testing.mock_server import MockServer
from tests.support.customers import stream

pytestmark = pytest.mark.usefixtures("no_leaks")

FROZEN = "2031-05-05T12:00:00"


@pytest.fixture
async def server() -> AsyncIterator[MockServer]:
    """A mock server, started while the time is frozen, whose newest customer was created right then."""
    # the event loop needs its clock: its timers would never come
    with freezegun.freeze_time(FROZEN, real_asyncio=True):
        async with MockServer(250) as server:
            now = datetime.now(UTC)
            assert type(now) is not type(server.customers()[0]["created"])
            server.add(id="cus_now", created=now, contacts=[{"name": "Ana", "created": now}], metadata={"at": now})
            yield server


@pytest.fixture
def piriod(server: MockServer) -> PiriodSession:
    """A session for the server."""
    return server.session()


async def test_listing(server: MockServer, piriod: PiriodSession) -> None:
    """A list is read completely, filtered by frozen times, in its order."""
    async with piriod:
        customers = await piriod.customers().collect()
        assert [customer.id for customer in customers] == [row["id"] for row in server.customers()]
        assert customers[-1].created == customers[-1].contacts[0].created == datetime.now(UTC)
        assert customers[-1].metadata == {"at": f"{FROZEN}Z"}
        listing = piriod.customers(created__gte=datetime.now(UTC), created__lte=datetime.now(UTC) + timedelta(days=1))
        assert [customer.id async for customer in listing] == ["cus_now"]
        server.update("cus_now", updated=datetime.now(UTC) + timedelta(days=1))


async def test_checkpoint(piriod: PiriodSession) -> None:
    """A checkpoint is written, read, and resumed."""
    async with piriod:
        listing = piriod.customers()
        async with listing:
            ids = [(await anext(aiter(listing))).id]
        assert listing.checkpoint
        checkpoint = Checkpoint.from_json(listing.checkpoint.to_json())
        assert checkpoint == listing.checkpoint
        ids += [customer.id async for customer in piriod.customers(after=checkpoint)]
        assert len(set(ids)) == len(ids) == 251
    own = Checkpoint(ordering="created", created=datetime.now(UTC), ids=frozenset({"a"}), query="q")
    assert Checkpoint.from_json(own.to_json()) == own
    assert json.loads(own.to_json())["created"] == f"{FROZEN}Z"


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
async def test_export(piriod: PiriodSession, suffix: str) -> None:
    """All formats write customers of a listing, and customers that were made under frozen time."""
    write: Any = getattr(export, f"write_{suffix}")
    own = Customer(id="cus_own", created=datetime.now(UTC), updated=datetime.now(UTC))
    async with piriod:
        for listing, count in ((piriod.customers(), 251), (stream(own), 1)):
            file = io.BytesIO()
            assert await write(listing, file) == count
            if suffix == "parquet":
                assert pq.read_table(file)["created"].to_pylist()[-1] == datetime.now(UTC)
            else:
                assert FROZEN.encode() in file.getvalue().splitlines()[-1]


async def test_arrow(piriod: PiriodSession) -> None:
    """A table has the times."""
    async with piriod:
        table = await export.to_arrow(piriod.customers())
    assert table.num_rows == 251
    assert table["created"].to_pylist()[-1] == datetime.now(UTC)


async def test_lenient_decoding(server: MockServer, piriod: PiriodSession) -> None:
    """A contact's time without a zone is decoded as it is otherwise."""
    server.update("cus_now", contacts=[{"name": "Ana", "created": "2020-05-12 15:42:09"}], state="IL")
    async with piriod:
        [customer] = await piriod.customers(created__gte=datetime.now(UTC)).collect()
    assert customer.contacts[0].created == datetime(2020, 5, 12, 15, 42, 9, tzinfo=UTC)


@pytest.mark.usefixtures("server")
def test_naive() -> None:
    """A naive time is refused, as it is otherwise."""
    for value in (datetime.now(), datetime(2031, 5, 5)):  # noqa: DTZ001, DTZ005 (they are the test)
        with pytest.raises(QueryError, match="expected an aware datetime"):
            CustomerQuery(created__gte=value)
