"""Sessions in forked processes. Each script runs in a process of its own, which forks."""

import asyncio
import os
import sys

import pytest

from piriod_async.testing import MockServer

pytestmark = [
    pytest.mark.usefixtures("no_leaks"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork"),
]

START = """
import asyncio, gc, os, signal, sys
import aiohttp
from piriod_async import ConfigurationError, PiriodSession

signal.alarm(20)  # a request that never ends fails the test; a fork does not inherit it

def make_session(**options):
    return PiriodSession("mock-token", "acc_mock", base_url=sys.argv[1], **options)

def fork(main):
    # Run an async function in a forked process, and return the process's id.
    if process := os.fork():
        return process
    signal.alarm(20)
    try:
        asyncio.run(main())
        gc.collect()
    except BaseException as error:
        print(repr(error), file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)

async def join(*processes):
    for process in processes:
        _, status = await asyncio.to_thread(os.waitpid, process, 0)
        assert status == 0

async def read(piriod):
    assert len(await piriod.customers().collect()) == 250
"""


class PortRecorder(MockServer):
    """A mock server that records the client's port of each request, and can hold back its responses.

    Attributes:
        may_respond: Cleared to hold back responses.
        ports: The ports, in the order of the requests.
    """

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.ports = []
        self.may_respond = asyncio.Event()
        self.may_respond.set()

    async def _handle(self, request):
        self.ports.append(request.transport.get_extra_info("peername")[1])
        if request.headers["x-simple-workspace"] == "acc_slow":
            await self.may_respond.wait()
        elif request.headers["x-simple-workspace"] == "acc_go":
            self.may_respond.set()
        return await super()._handle(request)


async def run(script, server):
    """Run a script in a process of its own, which must not print an error."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", START + script, server.url, stderr=asyncio.subprocess.PIPE
    )
    _, stderr = await process.communicate()
    assert (process.returncode, stderr.decode()) == (0, "")


WORKERS = """
async def main():
    async with make_session() as piriod:
        await read(piriod)

        async def work():
            assert (piriod.stats.requests, piriod.stats.in_flight, piriod.stats.retry_budget) == (0, 0, 500)
            await read(piriod)
            assert piriod.stats.requests == 3
            await piriod.close()

        await join(fork(work), fork(work))
        await read(piriod)
        assert piriod.stats.requests == 6

asyncio.run(main())
"""


async def test_running_loop():
    """A session that is used on a running event loop works in forked processes, and then in the parent."""
    async with PortRecorder(250) as server:
        await run(WORKERS, server)
    parent = set(server.ports[:3])
    assert parent.isdisjoint(server.ports[3:9])
    assert parent.issuperset(server.ports[9:])  # its connections are still open


PENDING = """
async def main():
    async with make_session(concurrency=3) as piriod:
        await read(piriod)
        slow = [asyncio.create_task(piriod.customers(workspace="acc_slow").count()) for _ in range(5)]
        while piriod.stats.in_flight < 3:
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)

        async def use():
            assert piriod.stats.in_flight == 0
            await read(piriod)
            await piriod.close()

        async def close():
            await piriod.close()

        async def nothing():
            gc.collect()

        await join(fork(use), fork(close), fork(nothing))
        async with make_session() as other:
            assert await other.customers(workspace="acc_go").count() == 1
        assert await asyncio.gather(*slow) == [7] * 5
        await read(piriod)

asyncio.run(main())
"""


async def test_pending_requests():
    """Requests pending at a fork are the parent's: the child neither waits for them nor ends them."""
    async with PortRecorder({"acc_mock": 250, "acc_slow": 7, "acc_go": 1}) as server:
        server.may_respond.clear()
        await run(PENDING, server)
        assert len([request for request in server.requests if request.workspace == "acc_slow"]) == 5
    assert set(server.ports[:6]).issuperset(server.ports[-3:])  # the parent's connections are still open


BEFORE_FIRST_USE = """
piriod = make_session()
processes = [fork(lambda: read(piriod)) for _ in range(2)]

async def main():
    await read(piriod)
    await join(*processes)
    await piriod.close()

asyncio.run(main())
"""

IDLE_LOOP = """
runner = asyncio.Runner()
piriod = make_session()
runner.run(read(piriod))
process = fork(lambda: read(piriod))
runner.run(join(process))
runner.run(read(piriod))
runner.run(piriod.close())
runner.close()
"""

POOL = """
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

def work(_):
    asyncio.run(read(piriod))
    return os.getpid()

async def main():
    global piriod
    piriod = make_session()
    await read(piriod)
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(loop.run_in_executor(pool, work, n) for n in range(4)))
    await read(piriod)
    await piriod.close()

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("script", "reads"), [(BEFORE_FIRST_USE, 3), (IDLE_LOOP, 3), (POOL, 6)], ids=["unused", "idle loop", "pool"]
)
async def test_other_moments(script, reads):
    """A fork before the first request, between two, and by a process pool."""
    async with MockServer(250) as server:
        await run(script, server)
        assert len(server.requests) == 3 * reads


CLIENT_SESSION = """
async def main():
    async with aiohttp.ClientSession() as client:
        piriod = make_session(client_session=client)
        await read(piriod)

        async def use():
            try:
                await read(piriod)
            except ConfigurationError as error:
                assert "client_session belongs to the process that this one was forked from" in str(error)
            else:
                raise AssertionError
            await piriod.close()
            async with aiohttp.ClientSession() as own, make_session(client_session=own) as another:
                await read(another)

        await join(fork(use))
        await read(piriod)

asyncio.run(main())
"""


async def test_client_session():
    """A `client_session` of the parent is refused in the child, where nothing is sent with it or closed."""
    async with PortRecorder(250) as server:
        await run(CLIENT_SESSION, server)
    assert len(server.requests) == 3 * 3
    assert set(server.ports[:3]).issuperset(server.ports[6:])


REMEMBERED = """
async def main():
    piriod = make_session()
    try:
        await piriod.customers().count()
    except PiriodError as error:
        assert error.attempts == 1

    async def use():
        try:
            await piriod.customers().count()
        except PiriodError as error:
            assert error.attempts == 0
        await piriod.close()

    await join(fork(use))
    await piriod.close()

from piriod_async import PiriodError
asyncio.run(main())
"""


async def test_long_retry_after():
    """A server that asked for silence gets it from forked processes too."""
    async with MockServer(3) as server:
        server.fail(status=429, retry_after=300)
        await run(REMEMBERED, server)
        assert len(server.requests) == 1


TOKEN_FUNCTION = """
calls = 0

async def token():
    global calls
    calls += 1
    if calls == 1:
        await asyncio.Event().wait()
    return "mock-token"

async def main():
    piriod = PiriodSession(token, "acc_mock", base_url=sys.argv[1])
    waiting = asyncio.create_task(read(piriod))
    while not calls:
        await asyncio.sleep(0)

    async def use():
        await read(piriod.with_options(timeout=5))
        assert calls == 2
        await piriod.close()

    await join(fork(use))
    waiting.cancel()
    await asyncio.wait([waiting])
    await read(piriod)
    await piriod.close()

asyncio.run(main())
"""


async def test_token_function():
    """A call for the token that is pending at a fork is the parent's: the child makes its own."""
    async with MockServer(250) as server:
        await run(TOKEN_FUNCTION, server)
        assert len(server.requests) == 2 * 3
