"""Sessions in a process of their own."""

import asyncio
import sys

import pytest

from piriod_async.testing import MockServer

pytestmark = pytest.mark.usefixtures("no_leaks")


async def run(script, server, *options):
    """Run a script in a process of its own, and return its standard error."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *options, "-c", script, server.url, stderr=asyncio.subprocess.PIPE
    )
    _, stderr = await process.communicate()
    assert process.returncode == 0, stderr.decode()
    return stderr.decode()


NOT_CLOSED = """
import asyncio, gc, sys
from piriod_async import PiriodSession

async def use():
    piriod = PiriodSession("mock-token", "acc_mock", base_url=sys.argv[1])
    await piriod.customers().count()
    del piriod
    gc.collect()

asyncio.run(use())
"""


async def test_not_closed():
    """aiohttp warns of a session that was not closed; none of our code is in the message."""
    async with MockServer(3) as server:
        stderr = await run(NOT_CLOSED, server, "-W", "always")
    assert "ResourceWarning: Unclosed client session <aiohttp" in stderr
    assert "piriod" not in stderr


FORK = """
import asyncio, os, sys
from piriod_async import PiriodSession

piriod = PiriodSession("mock-token", "acc_mock", base_url=sys.argv[1])

async def read():
    return len(await piriod.customers().collect())

assert asyncio.run(read()) == 250
child = os.fork()
assert asyncio.run(read()) == 250
if child:
    assert os.waitpid(child, 0)[1] == 0
asyncio.run(piriod.close())
"""


async def test_fork():
    """A session that was used before a fork works in both processes."""
    async with MockServer(250) as server:
        assert await run(FORK, server) == ""
        assert len(server.requests) == 3 * 3
