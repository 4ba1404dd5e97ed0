"""Many workspaces side by side: all of each, fairly, in bounded room, and what fails costs nobody else."""

import asyncio
import random
from collections import Counter
from contextlib import aclosing, suppress

import pytest

from piriod_async import (
    APIConnectionError,
    ConfigurationError,
    FilterIgnoredError,
    PermissionDeniedError,
    QueryError,
    RateLimitError,
    RetryPolicy,
    ServerError,
)
from piriod_async.pagination.adaptive_limit import PREFETCH_PER_REQUEST
from piriod_async.testing.mock_server import MockServer, Mutations
from piriod_async.workspaces import WORKERS_PER_REQUEST
from tests.support.tasks import settle

pytestmark = pytest.mark.usefixtures("no_leaks")

SIZES = {"acc_0": 0, "acc_1": 1, "acc_100": 100, "acc_250": 250, "acc_1000": 1_000}
SWIFT = RetryPolicy(wait_initial=0)


def ids(server, workspace, country=None):
    customers = server.customers(workspace)
    return [customer["id"] for customer in customers if country in (None, customer["country"]["id"])]


async def read(listing):
    """Return ids by workspace, in the order they came."""
    came = {}
    async for workspace, customer in listing:
        came.setdefault(workspace, []).append(customer.id)
    return came


@pytest.mark.parametrize("ordering", ["created", None])
@pytest.mark.parametrize("concurrency", [1, 8])
async def test_complete(concurrency, ordering):
    """Each workspace is delivered completely and in its own order."""
    async with MockServer(SIZES) as server, server.session(concurrency=concurrency) as piriod:
        came = await read(piriod.across(SIZES, ordering=ordering))
        turn = -1 if ordering is None else 1
        assert came == {workspace: ids(server, workspace)[::turn] for workspace, size in SIZES.items() if size}
        if ordering is None:
            assert len(server.requests) == 1 + 1 + 1 + 4 + 11


async def test_filters():
    """The filters apply to each workspace."""
    async with MockServer(SIZES) as server, server.session() as piriod:
        found = await piriod.across(SIZES, country="CL", page_size=50).collect()
        assert {name: [customer.id for customer in customers] for name, customers in found.items()} == {
            workspace: ids(server, workspace, "CL") for workspace in SIZES
        }
        assert {request.params["country"] for request in server.requests} == {"CL"}


async def test_pages():
    """`pages` yields the responses with their workspace."""
    async with MockServer(SIZES) as server, server.session() as piriod:
        listing = piriod.across(SIZES)
        came = Counter()
        async for workspace, page in listing.pages():
            came[workspace] += len(page.customers)
            assert page.count == SIZES[workspace]
            assert listing.progress.workspaces[workspace].delivered == came[workspace]
        assert came == SIZES


async def test_lazy():
    """Nothing is sent before the listing is read."""
    async with MockServer(SIZES) as server, server.session() as piriod:
        listing = piriod.across(SIZES)
        listing.pages()
        assert listing.progress.total is None
        assert server.requests == []


async def test_read_again():
    """A listing of a list of ids can be read again."""
    async with MockServer(SIZES) as server, server.session() as piriod:
        listing = piriod.across(list(SIZES))
        assert await read(listing) == await read(listing)


async def test_repeated_id():
    """An id that is repeated is read once."""
    async with MockServer({"acc_1": 3}) as server, server.session() as piriod:
        assert len((await read(piriod.across(["acc_1"] * 5)))["acc_1"]) == 3
        assert len(server.requests) == 1


async def test_no_workspaces():
    """Without ids, the listing is empty."""
    async with MockServer(SIZES) as server, server.session() as piriod:
        assert await piriod.across([]).collect() == {}
        assert server.requests == []


async def test_exactly_once():
    """Every customer of each workspace is delivered once while the lists change."""
    sizes = {f"acc_{n}": 30 * n for n in range(12)}
    async with MockServer(sizes, mutations=Mutations(rate=2)) as server, server.session() as piriod:
        came = await read(piriod.across(sizes, page_size=20))
        for workspace in sizes:
            assert set(server.unchanged_ids(workspace)) <= set(came.get(workspace, []))
            assert len(set(came.get(workspace, []))) == len(came.get(workspace, []))


async def test_sources_of_ids():
    """Ids may come from any iterable or async iterable."""

    async def asynchronously():
        for workspace in SIZES:
            await asyncio.sleep(0)
            yield workspace

    async with MockServer(SIZES) as server, server.session() as piriod:
        expected = await read(piriod.across(SIZES))
        for source in (list, iter, dict.keys, lambda sizes: (workspace for workspace in sizes)):
            assert await read(piriod.across(source(SIZES))) == expected
        assert await read(piriod.across(asynchronously())) == expected


async def test_ids_taken_on_demand():
    """Ids are taken as there is room."""
    taken = []

    def endless():
        while True:
            taken.append(f"acc_{len(taken)}")
            yield "acc_1" if len(taken) == 1 else f"acc_{len(taken)}"

    sizes = {f"acc_{n}": 150 for n in range(1_000)}
    async with MockServer(sizes) as server, server.session(concurrency=2) as piriod:
        async with piriod.across(endless()) as listing:
            async for _ in listing:
                break
            assert len(taken) <= WORKERS_PER_REQUEST * 2 + 1
        assert len(server.requests) <= 20


async def test_used_iterator():
    """An iterator that is used up is an error, not an empty listing."""
    async with MockServer(SIZES) as server, server.session() as piriod:
        listing = piriod.across(iter(SIZES))
        await listing.collect()
        with pytest.raises(QueryError, match="expected a list, to read it again"):
            await listing.collect()


async def test_source_fails():
    """An error of the source of ids ends the listing."""

    async def failing():
        yield "acc_1"
        raise ZeroDivisionError

    async with MockServer(SIZES) as server, server.session() as piriod:
        with pytest.raises(ZeroDivisionError):
            await piriod.across(failing(), on_error="collect").collect()


async def test_source_cancelled():
    """A source of ids that is cancelled is an error, not the end."""

    async def cancelled():
        yield "acc_1"
        raise asyncio.CancelledError

    async with MockServer(SIZES) as server, server.session() as piriod:
        with pytest.raises(RuntimeError, match="there may be more"):
            await piriod.across(cancelled(), on_error="collect").collect()


async def test_source_swallows_cancellation():
    """A source of ids that swallows its cancellation does not keep the listing alive."""

    async def stubborn():
        for workspace in SIZES:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0.01)
            yield workspace

    async with MockServer(SIZES) as server, server.session() as piriod:
        async with piriod.across(stubborn()) as listing:
            async for _ in listing:
                break
        sent = len(server.requests)
        assert not [task for task in asyncio.all_tasks() if "_crawl_some" in repr(task)]
        await settle()
        assert len(server.requests) == sent


class Interrupt(BaseException):
    """As a test framework may raise; those of the interpreter end the loop."""


async def test_base_exception():
    """A BaseException in a worker ends the listing too."""

    async def interrupted():
        yield "acc_1"
        raise Interrupt

    attempts = []

    def observe(attempt):
        attempts.append(attempt)
        if len(attempts) == 3:
            raise Interrupt

    async with MockServer(SIZES) as server:
        async with server.session() as piriod:
            with pytest.raises(Interrupt):
                await piriod.across(interrupted(), on_error="collect").collect()
        async with server.session(on_attempt=observe) as piriod:
            with pytest.raises(Interrupt):
                await piriod.across(SIZES, on_error="collect").collect()


async def test_unhashable_id():
    """An id that is not hashable is an error that names it."""
    async with MockServer(SIZES) as server, server.session() as piriod:
        with pytest.raises(QueryError, match=r"workspaces: \['acc_1'\]: expected a workspace id"):
            await piriod.across([["acc_1"]], on_error="collect").collect()


async def test_no_id_ends_the_list():
    """As lines of a file may be."""
    async with MockServer(SIZES) as server, server.session(concurrency=1) as piriod:
        listing = piriod.across(["acc_1", "\n", "", "\n", "acc_100"], on_error="collect")
        assert list(await listing.collect()) == ["acc_1", "acc_100"]
        assert list(listing.errors) == ["\n", ""]


async def test_errors_of_two_iterations():
    """Concurrent iterations have their own errors."""
    async with MockServer(SIZES, latency=0.001) as server, server.session() as piriod:
        server.fail(status=403, page=3, workspace="acc_1000")
        listing = piriod.across(SIZES, on_error="collect")
        first = asyncio.create_task(listing.collect())
        while not listing.errors:  # noqa: ASYNC110
            await asyncio.sleep(0)
        second = await listing.collect()
        assert "acc_1000" not in await first
        assert len(second["acc_1000"]) == 1_000
        assert listing.errors == {}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"workspaces": "acc_1"}, "workspaces='acc_1': expected an iterable of workspace ids"),
        ({"workspaces": None}, "workspaces=None: expected"),
        ({"workspaces": [], "on_error": "ignore"}, "on_error='ignore': expected"),
        ({"workspaces": [], "country": ""}, "country='': expected"),
        ({"workspaces": [], "page_size": 101}, "page_size=101: expected"),
    ],
)
async def test_invalid_arguments(arguments, message):
    """An invalid argument is an error before anything is sent."""
    async with MockServer(SIZES) as server, server.session() as piriod:
        with pytest.raises(QueryError, match=message):
            piriod.across(**arguments)
        with pytest.raises(TypeError, match="countr"):
            piriod.across([], countr="CL")


async def test_collect():
    """With `on_error="collect"`, a workspace that fails does not affect others."""
    async with MockServer(SIZES) as server, server.session(retry=SWIFT) as piriod:
        server.fail(status=403, workspace="acc_250", times=None)
        server.fail(status=500, workspace="acc_1000", times=None, page=3)
        listing = piriod.across([*SIZES, "acc_stranger", "bad id", None], on_error="collect")
        found = await listing.collect()
        assert {name: len(customers) for name, customers in found.items()} == {"acc_0": 0, "acc_1": 1, "acc_100": 100}
        errors = {workspace: (type(error), error.workspace) for workspace, error in listing.errors.items()}
        assert errors == {
            "acc_250": (PermissionDeniedError, "acc_250"),
            "acc_1000": (ServerError, "acc_1000"),
            "acc_stranger": (PermissionDeniedError, "acc_stranger"),
            "bad id": (ConfigurationError, "bad id"),
            None: (ConfigurationError, None),
        }
        assert listing.errors["acc_1000"].attempts == 5
        with pytest.raises(ExceptionGroup, match="5 of 8 workspaces failed: ") as group:
            listing.raise_for_errors()
        assert set(group.value.exceptions) == set(listing.errors.values())


async def test_errors_of_latest_iteration():
    """`errors` are of the latest iteration."""
    async with MockServer(SIZES) as server, server.session() as piriod:
        server.fail(status=403, workspace="acc_1")
        listing = piriod.across(SIZES, on_error="collect")
        await listing.collect()
        assert list(listing.errors) == ["acc_1"]
        assert len((await listing.collect())["acc_1"]) == 1
        listing.raise_for_errors()


async def test_raise():
    """With `on_error="raise"`, the first error ends the listing and names the workspace."""
    async with MockServer(SIZES, latency=0.001) as server, server.session(concurrency=2) as piriod:
        server.fail(status=403, workspace="acc_100", times=None)
        with pytest.raises(PermissionDeniedError, match="acc_100") as caught:
            await piriod.across(SIZES).collect()
        assert caught.value.workspace == "acc_100"
        assert piriod.stats.in_flight == 0


async def test_connection_error():
    """A connection error names the workspace too."""
    async with MockServer(SIZES, ignored_params={"country"}) as server, server.session() as piriod:
        with pytest.raises(FilterIgnoredError, match=r"acc_(1|100|250|1000)\b"):
            await piriod.across(SIZES, country="PE").collect()
        found = await piriod.across(SIZES, country="PE", check_filters=False).collect()
        assert {name: len(customers) for name, customers in found.items()} == SIZES


async def test_shared_retry_budget():
    """Workspaces share the retry budget of the session."""
    sizes = dict.fromkeys((f"acc_{n}" for n in range(200)), 5)
    async with MockServer(sizes) as server, server.session(concurrency=32, retry=SWIFT) as piriod:
        server.fail(status=503, times=None)
        listing = piriod.across(sizes, on_error="collect")
        assert await listing.collect() == {}
        assert {type(error) for error in listing.errors.values()} == {ServerError}
        assert len(listing.errors) == 200
        assert all(error.retry_budget_exhausted == (error.attempts < 5) for error in listing.errors.values())
        assert len(server.requests) <= 2 * 200
        assert piriod.stats.retry_budget == 0
        server.clear_faults()
        assert len(await piriod.across(sizes).collect()) == 200
        assert piriod.stats.retry_budget == 200


async def test_shared_pause(clock):
    """A pause that the server asks for applies to all workspaces."""
    async with MockServer(SIZES) as server, server.session(retry=clock.policy()) as piriod:
        server.fail(status=429, retry_after=7, workspace="acc_1")
        assert len((await piriod.across(SIZES).collect())["acc_1000"]) == 1_000
        assert 7 <= max(clock.sleeps) <= 7.5
        server.fail(status=429, retry_after=700, workspace="acc_1")
        with pytest.raises(RateLimitError):
            await piriod.across(SIZES).collect()


async def test_fairness():
    """A small workspace does not wait for a large one."""
    sizes = {"acc_large": 5_000, **{f"acc_{n}": 20 for n in range(40)}}
    async with MockServer(sizes) as server, server.session(concurrency=4) as piriod:
        order = [workspace async for workspace, _ in piriod.across(sizes).pages()]
        last = max(order.index(workspace) for workspace in sizes if workspace != "acc_large")
        assert order[: last + 1].count("acc_large") <= 0.6 * order.count("acc_large")
        assert order[-1] == "acc_large"


async def test_the_last_one_has_all_the_room_to_itself():
    """The last workspace gets all of the prefetching."""
    most = 0

    class Counting(MockServer):
        async def _wait_latency(self):
            nonlocal most
            if all(request.workspace == "acc_large" for request in self.requests[-20:]):
                most = max(most, piriod.stats.in_flight)
            await super()._wait_latency()

    sizes = {"acc_large": 6_000, **{f"acc_{n}": 20 for n in range(20)}}
    async with Counting(sizes, latency=0.002) as server, server.session(concurrency=4) as piriod:
        await piriod.across(sizes).collect()
    assert most == 4


async def test_bounded():
    """The number of tasks and pages does not grow with the workspaces."""
    rng = random.Random(7)
    sizes = {f"acc_{n}": rng.choice((0, 3, 90, 400, 1_200)) for n in range(30)}
    concurrency, tasks, waiting = 4, 0, 0
    async with MockServer(sizes) as server, server.session(concurrency=concurrency) as piriod:
        before = len(asyncio.all_tasks())
        pages = 0
        async for _ in piriod.across(sizes).pages():
            pages += 1
            tasks = max(tasks, len(asyncio.all_tasks()) - before)
            waiting = max(waiting, len(server.requests) - pages)
            await asyncio.sleep(0)
    crawls = WORKERS_PER_REQUEST * concurrency
    assert tasks <= crawls + 1 + 2 * (PREFETCH_PER_REQUEST * concurrency + 2 * crawls) + concurrency + 10
    assert waiting <= PREFETCH_PER_REQUEST * concurrency + 4 * crawls


async def test_slow_consumer():
    """A consumer that stops iterating stops the requests."""
    sizes = {f"acc_{n}": 1_000 for n in range(50)}
    async with MockServer(sizes) as server, server.session(concurrency=2) as piriod, piriod.across(sizes) as listing:
        async for _ in listing:
            break
        seen = -1
        while seen != len(server.requests):
            seen = len(server.requests)
            for _ in range(500):
                await asyncio.sleep(0)
        assert seen <= WORKERS_PER_REQUEST * 2 * 4


async def test_progress():
    """`progress` has the sums and each workspace."""
    async with MockServer(SIZES) as server, server.session() as piriod:
        server.fail(status=500, workspace="acc_1")
        listing = piriod.across(SIZES)
        taken = 0
        async for workspace, _ in listing:
            taken += 1
            assert listing.progress.delivered == taken
            assert listing.progress.workspaces[workspace].delivered <= SIZES[workspace]
        progress = listing.progress
        assert (progress.total, progress.delivered) == (sum(SIZES.values()), sum(SIZES.values()))
        assert progress.requests == len(server.requests) == piriod.stats.requests
        assert progress.retries == 1
        assert {name: (each.total, each.delivered) for name, each in progress.workspaces.items()} == {
            name: (size, size) for name, size in SIZES.items()
        }


@pytest.mark.parametrize("after", [0, 1, 5, 300])
async def test_left_early(after):
    """A loop that is left early leaves no task behind."""
    async with MockServer(SIZES, latency=0.001) as server, server.session() as piriod:
        async with piriod.across(SIZES) as listing:
            taken = 0
            async for _ in listing:
                taken += 1
                if taken > after:
                    break
        assert piriod.stats.in_flight == 0
        assert not [task for task in asyncio.all_tasks() if "crawl" in repr(task.get_coro())]


async def test_closed():
    """A listing that is closed leaves no task behind."""
    async with MockServer(SIZES) as server, server.session() as piriod:
        async with aclosing(piriod.across(SIZES).pages()) as pages:
            await anext(pages)
        assert piriod.stats.in_flight == 0


@pytest.mark.parametrize("on_error", ["raise", "collect"])
async def test_session_closed(on_error):
    """Closing the session ends the listing with an error."""
    async with MockServer(SIZES, latency=5) as server, server.session() as piriod:
        listing = piriod.across(SIZES, on_error=on_error)
        collecting = asyncio.create_task(listing.collect())
        while not piriod.stats.in_flight:  # noqa: ASYNC110
            await asyncio.sleep(0)
        await piriod.close()
        if on_error == "raise":
            with pytest.raises(APIConnectionError, match="the session"):
                await collecting
        else:
            assert await collecting == {}
            assert {type(error) for error in listing.errors.values()} == {APIConnectionError}
