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
from piriod_async.pagination.prefetch import PREFETCH_PER_REQUEST
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


# --- all of it ---


@pytest.mark.parametrize("ordering", ["created", None])
@pytest.mark.parametrize("concurrency", [1, 8])
async def test_each_workspace_whole_and_in_its_own_order(concurrency, ordering):
    async with MockServer(SIZES) as server, server.session(concurrency=concurrency) as piriod:
        came = await read(piriod.across(SIZES, ordering=ordering))
        turn = -1 if ordering is None else 1
        assert came == {workspace: ids(server, workspace)[::turn] for workspace, size in SIZES.items() if size}
        if ordering is None:
            assert len(server.requests) == 1 + 1 + 1 + 3 + 10


async def test_filters_go_to_each():
    async with MockServer(SIZES) as server, server.session() as piriod:
        found = await piriod.across(SIZES, country="CL", page_size=50).collect()
        assert {name: [customer.id for customer in customers] for name, customers in found.items()} == {
            workspace: ids(server, workspace, "CL") for workspace in SIZES
        }
        assert {request.params["country"] for request in server.requests} == {"CL"}


async def test_pages():
    async with MockServer(SIZES) as server, server.session() as piriod:
        listing = piriod.across(SIZES)
        came = Counter()
        async for workspace, page in listing.pages():
            came[workspace] += len(page.customers)
            assert page.count == SIZES[workspace]
            assert listing.progress.workspaces[workspace].delivered == came[workspace]
        assert came == SIZES


async def test_nothing_is_sent_before_it_is_read():
    async with MockServer(SIZES) as server, server.session() as piriod:
        listing = piriod.across(SIZES)
        listing.pages()
        assert listing.progress.total is None
        assert server.requests == []


async def test_it_can_be_read_again():
    async with MockServer(SIZES) as server, server.session() as piriod:
        listing = piriod.across(list(SIZES))
        assert await read(listing) == await read(listing)


async def test_each_once():
    async with MockServer({"acc_1": 3}) as server, server.session() as piriod:
        assert len((await read(piriod.across(["acc_1"] * 5)))["acc_1"]) == 3
        assert len(server.requests) == 1


async def test_no_workspaces():
    async with MockServer(SIZES) as server, server.session() as piriod:
        assert await piriod.across([]).collect() == {}
        assert server.requests == []


async def test_exactly_once_while_the_lists_move():
    sizes = {f"acc_{n}": 30 * n for n in range(12)}
    async with MockServer(sizes, mutations=Mutations(rate=2)) as server, server.session() as piriod:
        came = await read(piriod.across(sizes, page_size=20))
        for workspace in sizes:
            assert set(server.unchanged_ids(workspace)) <= set(came.get(workspace, []))
            assert len(set(came.get(workspace, []))) == len(came.get(workspace, []))


# --- the ids ---


async def test_ids_may_come_from_anywhere():
    async def asynchronously():
        for workspace in SIZES:
            await asyncio.sleep(0)
            yield workspace

    async with MockServer(SIZES) as server, server.session() as piriod:
        expected = await read(piriod.across(SIZES))
        for source in (list, iter, dict.keys, lambda sizes: (workspace for workspace in sizes)):
            assert await read(piriod.across(source(SIZES))) == expected
        assert await read(piriod.across(asynchronously())) == expected


async def test_ids_are_taken_as_there_is_room():
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


async def test_an_iterator_that_is_used_up_is_not_taken_for_no_workspaces():
    async with MockServer(SIZES) as server, server.session() as piriod:
        listing = piriod.across(iter(SIZES))
        await listing.collect()
        with pytest.raises(QueryError, match="expected a list, to read it again"):
            await listing.collect()


async def test_a_source_of_ids_that_fails():
    async def failing():
        yield "acc_1"
        raise ZeroDivisionError

    async with MockServer(SIZES) as server, server.session() as piriod:
        with pytest.raises(ZeroDivisionError):
            await piriod.across(failing(), on_error="collect").collect()


async def test_a_source_of_ids_that_is_cancelled_is_not_taken_for_its_end():
    async def cancelled():
        yield "acc_1"
        raise asyncio.CancelledError

    async with MockServer(SIZES) as server, server.session() as piriod:
        with pytest.raises(RuntimeError, match="there may be more"):
            await piriod.across(cancelled(), on_error="collect").collect()


async def test_a_source_of_ids_that_goes_on_after_a_cancellation():
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


async def test_what_is_no_exception_ends_it_too():
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


async def test_what_cannot_be_an_id_at_all():
    async with MockServer(SIZES) as server, server.session() as piriod:
        with pytest.raises(QueryError, match=r"workspaces: \['acc_1'\]: expected a workspace id"):
            await piriod.across([["acc_1"]], on_error="collect").collect()


async def test_no_id_ends_the_list():
    """As lines of a file may be."""
    async with MockServer(SIZES) as server, server.session(concurrency=1) as piriod:
        listing = piriod.across(["acc_1", "\n", "", "\n", "acc_100"], on_error="collect")
        assert list(await listing.collect()) == ["acc_1", "acc_100"]
        assert list(listing.errors) == ["\n", ""]


async def test_of_two_iterations_each_has_its_own_errors():
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
async def test_bad_arguments_are_refused_at_once(arguments, message):
    async with MockServer(SIZES) as server, server.session() as piriod:
        with pytest.raises(QueryError, match=message):
            piriod.across(**arguments)
        with pytest.raises(TypeError, match="countr"):
            piriod.across([], countr="CL")


# --- what fails ---


async def test_collected_errors_cost_nobody_else():
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


async def test_errors_are_those_of_the_last_iteration():
    async with MockServer(SIZES) as server, server.session() as piriod:
        server.fail(status=403, workspace="acc_1")
        listing = piriod.across(SIZES, on_error="collect")
        await listing.collect()
        assert list(listing.errors) == ["acc_1"]
        assert len((await listing.collect())["acc_1"]) == 1
        listing.raise_for_errors()


async def test_the_first_error_ends_it_and_names_the_workspace():
    async with MockServer(SIZES, latency=0.001) as server, server.session(concurrency=2) as piriod:
        server.fail(status=403, workspace="acc_100", times=None)
        with pytest.raises(PermissionDeniedError, match="acc_100") as caught:
            await piriod.across(SIZES).collect()
        assert caught.value.workspace == "acc_100"
        assert piriod.stats.in_flight == 0


async def test_an_error_that_is_no_answer_is_named_too():
    async with MockServer(SIZES, ignored_params={"country"}) as server, server.session() as piriod:
        with pytest.raises(FilterIgnoredError, match=r"acc_(1|100|250|1000)\b"):
            await piriod.across(SIZES, country="PE").collect()
        found = await piriod.across(SIZES, country="PE", check_filters=False).collect()
        assert {name: len(customers) for name, customers in found.items()} == SIZES


async def test_the_retry_budget_is_the_sessions():
    sizes = dict.fromkeys((f"acc_{n}" for n in range(200)), 5)
    async with MockServer(sizes) as server, server.session(concurrency=32, retry=SWIFT) as piriod:
        server.fail(status=503, times=None)
        listing = piriod.across(sizes, on_error="collect")
        assert await listing.collect() == {}
        assert {type(error) for error in listing.errors.values()} == {ServerError}
        assert len(listing.errors) == 200
        assert len(server.requests) <= 2 * 200
        assert piriod.stats.retry_budget == 0
        server.clear_faults()
        assert len(await piriod.across(sizes).collect()) == 200
        assert piriod.stats.retry_budget == 200


async def test_a_limit_of_the_server_is_everybodys(clock):
    async with MockServer(SIZES) as server, server.session(retry=clock.policy()) as piriod:
        server.fail(status=429, retry_after=7, workspace="acc_1")
        assert len((await piriod.across(SIZES).collect())["acc_1000"]) == 1_000
        assert 7 <= max(clock.sleeps) <= 7.5
        server.fail(status=429, retry_after=700, workspace="acc_1")
        with pytest.raises(RateLimitError):
            await piriod.across(SIZES).collect()


# --- fairness, and room ---


async def test_a_small_one_is_not_held_up_by_a_large_one():
    sizes = {"acc_large": 5_000, **{f"acc_{n}": 20 for n in range(40)}}
    async with MockServer(sizes) as server, server.session(concurrency=4) as piriod:
        order = [workspace async for workspace, _ in piriod.across(sizes).pages()]
        last = max(order.index(workspace) for workspace in sizes if workspace != "acc_large")
        assert order[: last + 1].count("acc_large") <= 0.6 * order.count("acc_large")
        assert order[-1] == "acc_large"


async def test_the_last_one_has_all_the_room_to_itself():
    """A share of the look-ahead at first; in the end, as many requests at once as there may be."""
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


async def test_a_bounded_number_of_tasks_and_pages():
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


async def test_who_stops_reading_stops_the_requests():
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


# --- progress ---


async def test_progress():
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


# --- the end ---


@pytest.mark.parametrize("after", [0, 1, 5, 300])
async def test_left_early(after):
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
    async with MockServer(SIZES) as server, server.session() as piriod:
        async with aclosing(piriod.across(SIZES).pages()) as pages:
            await anext(pages)
        assert piriod.stats.in_flight == 0


@pytest.mark.parametrize("on_error", ["raise", "collect"])
async def test_the_session_closes_meanwhile(on_error):
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
