"""One sync at a time; the lock of a dead process is taken over, and the dead one can write nothing."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from piriod_async.mirror import Mirror, MirrorBusyError, MirrorError, postgresql
from piriod_async.testing import MockServer
from tests.support.mirrors import everything_staged, query

pytestmark = pytest.mark.usefixtures("no_leaks")


class HeldServer(MockServer):
    """A mock server that can hold its responses back."""

    def __init__(self, *args):
        super().__init__(*args)
        self.arrived, self.go = asyncio.Event(), asyncio.Event()

    async def _handle(self, request):
        self.arrived.set()
        await self.go.wait()
        return await super()._handle(request)


@pytest.fixture
async def waiting(database):
    """A mirror whose second sync waits for the server, which has other customers now; its server and session."""
    async with HeldServer(250) as server, server.session() as piriod, Mirror(database) as mirror:
        server.go.set()
        await mirror.sync(piriod.customers())
        for customer in server.customers():
            server.update(customer["id"], name="Otro")
        server.go.clear()
        server.arrived.clear()
        task = asyncio.create_task(mirror.sync(piriod.customers()))
        await server.arrived.wait()
        yield mirror, server, piriod, task
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        server.go.set()


async def until(condition):
    """Wait for a condition in the database, which has no event to wait for."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.001)


async def test_second_sync_is_refused(database, waiting):
    """While one sync is running, another is refused at once, by the same mirror or another one."""
    mirror, _, piriod, task = waiting
    async with Mirror(database) as other:
        for each in (mirror, other):
            with pytest.raises(MirrorBusyError, match=rf"another sync \(run 2, process {os.getpid()} "):
                await each.sync(piriod.customers())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not everything_staged(database)


async def test_cancelled_sync_gives_the_lock_back(waiting):
    """After a cancelled sync, the next one works."""
    mirror, server, piriod, task = waiting
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    server.go.set()
    assert (await mirror.sync(piriod.customers())).changed == 250


def boot_id():
    """Return what distinguishes this machine from others, as long as it runs."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def dead_process():
    """Return the number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        return process.pid


@pytest.mark.parametrize("why", ["dead", "expired"])
async def test_stale_lock_is_taken_over(database, waiting, why):
    """The lock of a dead process, or an old one, is taken over; its holder, if it wakes, can write nothing."""
    _, server, piriod, task = waiting
    if why == "dead":
        [(owner,)] = query(database, "select lock_owner from piriod_mirror")
        owner = owner.replace(f"process {os.getpid()} ", f"process {dead_process()} ")
        query(database, "update piriod_mirror set lock_owner = ?", owner)
    else:
        query(database, "update piriod_mirror set lock_expires = 1, lock_owner = 'process 1 on another machine'")
    async with Mirror(database) as other:
        taking_over = asyncio.create_task(other.sync(piriod.customers()))
        await until(lambda: query(database, "select lock_run from piriod_mirror") == [(3,)])
        server.go.set()
        with pytest.raises(MirrorBusyError, match=r"taken it over from this one \(run 2\)"):
            await task
        sync = await taking_over
        assert (sync.run, sync.previous_run, sync.changed) == (3, 1, 250)
        assert {change.run async for change in other.changes(since=1)} == {3}
        assert query(database, "select count(*) from piriod_versions") == [(500,)]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere, host names are all there is")
async def test_machines_with_the_same_name(database, waiting):
    """The number of a process means nothing on another machine, even one with the same host name."""
    _, _, piriod, _ = waiting
    [(owner,)] = query(database, "select lock_owner from piriod_mirror")
    owner = owner.replace(f"process {os.getpid()} ", f"process {dead_process()} ").replace(boot_id(), "another")
    query(database, "update piriod_mirror set lock_owner = ?", owner)
    async with Mirror(database) as other:
        with pytest.raises(MirrorBusyError):
            await other.sync(piriod.customers())


async def test_stopped_in_a_transaction(postgres_dsn, monkeypatch):
    """A process that was stopped in a transaction does not stop others, who could not even be cancelled."""
    monkeypatch.setattr(postgresql, "LOCK_SECONDS", 0.01)
    async with MockServer(3) as server, server.session() as piriod, Mirror(postgres_dsn) as mirror:
        await mirror.runs()
        with psycopg.connect(postgres_dsn) as stopped:
            stopped.execute("update piriod_mirror set fence = fence")
            with pytest.raises(MirrorError, match="lock timeout"):
                await mirror.sync(piriod.customers())
        assert (await mirror.sync(piriod.customers())).added == 3


async def test_lock_is_renewed(database, waiting, monkeypatch):
    """A sync that waits for the server for long keeps its lock."""
    mirror, server, piriod, task = waiting
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    monkeypatch.setattr("piriod_async.mirror.sync_run.RENEW_SECONDS", 0.001)
    server.arrived.clear()
    renewing = asyncio.create_task(mirror.sync(piriod.customers()))
    await server.arrived.wait()
    query(database, "update piriod_mirror set lock_expires = 1")
    await until(lambda: query(database, "select lock_expires from piriod_mirror") != [(1,)])
    server.go.set()
    assert (await renewing).changed == 250
