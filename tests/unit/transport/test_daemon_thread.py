"""Blocking calls in a thread that may hang."""

import asyncio
import sys
import threading
from contextvars import ContextVar

import pytest

from piriod_async.transport.daemon_thread import call_in_daemon_thread
from tests.support.tasks import settle, until


async def test_result():
    """The result comes from another thread, which has the context variables of the caller."""
    variable = ContextVar("variable")
    variable.set("here")
    thread, value = await call_in_daemon_thread(lambda: (threading.current_thread(), variable.get()))
    assert (thread is threading.current_thread(), thread.daemon, value) == (False, True, "here")


@pytest.mark.parametrize("error", [KeyError("a"), StopIteration(3)])
async def test_error(error):
    """An error is raised as it is; `StopIteration`, which a coroutine cannot raise, as the cause of another."""

    def fail():
        raise error

    with pytest.raises((KeyError, RuntimeError)) as caught:
        await call_in_daemon_thread(fail)
    assert error in (caught.value, caught.value.__cause__)


async def test_cancelled():
    """A cancellation does not wait for the call, whose result is dropped."""
    started, go_on = threading.Event(), threading.Event()

    def wait():
        started.set()
        return go_on.wait(10)

    task = asyncio.create_task(call_in_daemon_thread(wait))
    await until(started.is_set)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go_on.set()
    await settle()


HANGING = """
import asyncio, threading
from piriod_async.transport.daemon_thread import call_in_daemon_thread

async def main():
    try:
        async with asyncio.timeout(0.01):
            await call_in_daemon_thread(threading.Event().wait)
    except TimeoutError:
        print("ended")

asyncio.run(main())
"""


async def test_exit():
    """A call that hangs does not keep the process from exiting."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", HANGING, stdout=asyncio.subprocess.PIPE)
    async with asyncio.timeout(30):
        output, _ = await process.communicate()
    assert (process.returncode, output) == (0, b"ended\n")
