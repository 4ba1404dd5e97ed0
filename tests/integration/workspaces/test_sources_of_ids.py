"""Ids from any iterable, also one that fails."""

import asyncio
from contextlib import suppress

import pytest

from piriod_async import (
    QueryError,
)
from piriod_async.testing.mock_server import MockServer
from piriod_async.workspaces import WORKERS_PER_REQUEST
from tests.integration.workspaces.serving import SIZES, read
from tests.support.tasks import settle

pytestmark = pytest.mark.usefixtures("no_leaks")


async def test_repeated_id():
    """An id that is repeated is read once."""
    async with MockServer({"acc_1": 3}) as server, server.session() as piriod:
        assert len((await read(piriod.across(["acc_1"] * 5)))["acc_1"]) == 3
        assert len(server.requests) == 1


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
        assert not [task for task in asyncio.all_tasks() if "_worker" in repr(task)]
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
