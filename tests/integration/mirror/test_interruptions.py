"""A sync that does not get to its end is never visible, and the next one is right."""

import asyncio
import os
import random
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from piriod_async import APIConnectionError, PiriodError, RetryPolicy
from piriod_async.mirror import Mirror, MirrorError, feed, run, sqlite
from piriod_async.mirror.database import Database
from piriod_async.testing import MockServer
from tests.support.mirrors import everything_staged, ids_in, ids_on, query

pytestmark = pytest.mark.usefixtures("no_leaks")
KILLS = int(os.environ.get("MIRROR_KILLS", "5"))
SYNC = """
import asyncio, sys
from piriod_async import PiriodSession
from piriod_async.mirror import Mirror, staging

staging.MAX_STAGED = 20  # many transactions

async def main(database, url, token, workspace):
    async with PiriodSession(token, workspace, base_url=url) as piriod, Mirror(database) as mirror:
        print("ready", flush=True)
        await mirror.sync(piriod.customers(page_size=20), max_removed=1.0)

asyncio.run(main(*sys.argv[1:]))
"""


def change(server, rng):
    """Change a third of the customers."""
    for customer in rng.sample(server.customers(), 100):
        server.update(customer["id"], name=rng.choice("ABCDEF"))
    for customer in rng.sample(server.customers(), 50):
        server.remove(customer["id"])
    for _ in range(50):
        server.add()


async def test_kill(database):
    """Killed at any moment, a sync leaves the mirror as it was, or as it should be; the next one is right."""
    rng = random.Random(7)
    with MockServer(300, latency=0.002) as server:
        async with server.session() as piriod, Mirror(database) as mirror:
            await mirror.sync(piriod.customers())
            torn = 0
            for _ in range(KILLS):
                before = await ids_in(mirror)
                change(server, rng)
                arguments = [database, server.url, server.token, server.workspace]
                process = await asyncio.create_subprocess_exec(
                    sys.executable, "-c", SYNC, *arguments, stdout=subprocess.PIPE
                )
                await process.stdout.readline()
                await asyncio.sleep(rng.uniform(0, 0.3))
                if process.returncode is None:
                    process.send_signal(signal.SIGKILL)
                await process.wait()
                torn += bool(everything_staged(database))
                assert await ids_in(mirror) in (before, ids_on(server))
                assert [id_ for (id_,) in query(database, "select id from customers order by id")] in (
                    before,
                    ids_on(server),
                )
                last = await mirror._thread.call(feed.last_run)
                assert query(database, "select max(run) from changes")[0][0] <= last
                sync = await mirror.sync(piriod.customers(), max_removed=1.0)
                assert [customer async for _, customer in mirror.customers()] == sorted(
                    await piriod.customers().collect(), key=lambda customer: customer.id
                )
                assert not everything_staged(database)
                versions = {change.run async for change in mirror.changes()}
                assert versions == {run.run for run in await mirror.runs()}
                assert query(database, "select complete_run from piriod_mirror") == [(sync.run,)]
        assert torn or KILLS < 10  # some died in the middle


async def test_cancel(database):
    """Cancelled at any page, a sync leaves nothing behind."""
    rng = random.Random(3)
    async with MockServer(300) as server, server.session() as piriod, Mirror(database) as mirror:
        await mirror.sync(piriod.customers())
        for pages in range(0, 15, 3):
            before = await ids_in(mirror)
            change(server, rng)
            task = asyncio.create_task(mirror.sync(piriod.customers(page_size=20), max_removed=1.0))
            requests = len(server.requests) + pages
            while len(server.requests) < requests or not pages:
                await asyncio.sleep(0)
                pages = pages or -1  # noqa: PLW2901 (the first is cancelled before it sends anything)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await ids_in(mirror) == before
            assert not everything_staged(database)
            assert query(database, "select lock_run from piriod_mirror") == [(None,)]
        await mirror.sync(piriod.customers(), max_removed=1.0)
        assert await ids_in(mirror) == ids_on(server)


async def test_server_gone(database):
    """The API goes away in the middle of the list: nobody is removed."""
    async with MockServer(300) as server, Mirror(database) as mirror:
        async with server.session(retry=RetryPolicy(attempts=1)) as piriod:
            await mirror.sync(piriod.customers())
            server.fail(disconnect="body", times=None, page=3)
            change(server, random.Random(5))
            with pytest.raises(APIConnectionError):
                await mirror.sync(piriod.customers(page_size=20))
        assert len(await ids_in(mirror)) == 300
        assert not everything_staged(database)


async def test_full_disk(tmp_path):
    """On a full disk the sync fails with a clear error, and readers see the run before; with space it works."""
    database = str(tmp_path / "mirror.db")
    async with MockServer(300) as server, server.session() as piriod, Mirror(database) as mirror:
        await mirror.sync(piriod.customers())
        before = await ids_in(mirror)
        change(server, random.Random(5))
        for _ in range(2_000):
            server.add()
        await mirror._thread.call(lambda connected: connected.fetch("pragma max_page_count = 1"))  # what there is
        with pytest.raises(MirrorError, match=r"mirror\.db: database or disk is full"):
            await mirror.sync(piriod.customers())
        assert await ids_in(mirror) == before
        await mirror._thread.call(lambda connected: connected.fetch("pragma max_page_count = 1000000"))
        await mirror.sync(piriod.customers(), max_removed=1.0)
        assert await ids_in(mirror) == ids_on(server)


async def test_locked_after_the_commit(tmp_path, monkeypatch):
    """A run that is complete is not an error because another program locks the file before its rows are counted."""
    path, execute = tmp_path / "mirror.db", Database.execute
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:

        def lock_and_execute(self, sql, parameters=()):
            if sql.startswith("analyze"):
                other.execute("begin immediate")
            return execute(self, sql, parameters)

        monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0)
        monkeypatch.setattr(run, "MANY", 2)
        monkeypatch.setattr(Database, "execute", lock_and_execute)
        async with MockServer(3) as server, server.session() as piriod, Mirror(path) as mirror:
            assert (await mirror.sync(piriod.customers())).added == 3
            assert other.in_transaction


async def test_lost_connection(postgres_dsn):
    """When PostgreSQL ends the connection, the sync fails, and the next one connects again."""
    async with MockServer(300) as server, server.session() as piriod, Mirror(postgres_dsn) as mirror:
        await mirror.sync(piriod.customers())
        change(server, random.Random(5))
        [(pid,)] = await mirror._thread.call(lambda connected: connected.fetch("select pg_backend_pid()"))
        respond = server._respond

        def terminating(request, recorded):
            query(postgres_dsn, "select pg_terminate_backend(?)", pid)
            return respond(request, recorded)

        server._respond = terminating
        with pytest.raises(MirrorError, match="postgresql:///temporary_"):
            await mirror.sync(piriod.customers(), max_removed=1.0)
        server._respond = respond
        await mirror.sync(piriod.customers(), max_removed=1.0)
        assert await ids_in(mirror) == ids_on(server)


async def test_error_in_the_mirror_itself(database, monkeypatch):
    """A bug, too, leaves the mirror as it was, and gives the lock back."""
    async with MockServer(300) as server, server.session() as piriod, Mirror(database) as mirror:
        await mirror.sync(piriod.customers())
        change(server, random.Random(5))
        with monkeypatch.context() as patch:
            patch.setattr("piriod_async.mirror.sync_run.commit", lambda *_, **__: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                await mirror.sync(piriod.customers())
        assert not everything_staged(database)
        assert not issubclass(ZeroDivisionError, PiriodError)
        assert (await mirror.sync(piriod.customers())).removed > 0
