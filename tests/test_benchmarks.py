"""The parts of the benchmarks that the package's own changes can break."""

import asyncio

import pytest

from benchmarks.clients import BARE, BY_HAND, PIRIOD, load
from benchmarks.clients.config import ClientConfig
from benchmarks.clients.mirror_worker import run as run_mirror
from benchmarks.processes import ServerProcess
from benchmarks.scenarios.mirror_removals import Tally, measure
from benchmarks.scenarios.request_plan import plan_requests
from piriod_async.testing import MockServer


@pytest.mark.parametrize("customers", [0, 1, 100, 2_500, 6_000])
async def test_plan_matches_crawl(customers):
    """The planned requests are exactly those that reach a server."""
    async with MockServer(customers) as server:
        created = sorted(row["created"] for row in server.customers())
        async with server.session() as piriod:
            assert len(await piriod.customers().collect()) == customers
    plan = await asyncio.to_thread(plan_requests, created)
    assert sorted(request.query for request in server.requests) == sorted(tuple(each.params) for each in plan)


def test_clients_read_all():
    """The clients without extra dependencies get every customer from the static server."""
    with ServerProcess("static_server", "1050") as server:
        config = ClientConfig(server.url, "acc_1050")
        assert {asyncio.run(load(name)(config)) for name in (PIRIOD, BY_HAND, BARE)} == {1050}


def test_mirror_of_changed_list(tmp_path):
    """A mirror of the static server sees which customers it changed."""
    with ServerProcess("static_server", "1050") as server:
        config = ClientConfig(server.url, "acc_1050")
        database = str(tmp_path / "customers.db")
        results = [asyncio.run(run_mirror(config, each))[0] for each in (None, database, database)]
        server.change()
        results.append(asyncio.run(run_mirror(config, database))[0])
    assert results == ["1050 read", "+1050 ~0 -0 =0", "+0 ~0 -0 =1050", "+0 ~11 -0 =1039"]


def test_mirror_of_moving_list():
    """A mirror loses nobody who did not change."""
    tally = Tally()
    measure(tally, "piriod-async, Mirror", seed=1, loads=3, customers=300, rate=2)
    assert (tally.loads, tally.failed, tally.wrong) == (3, 0, 0)
    assert tally.changes > 10
