"""Waiting for other tasks, and checking that none is left."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import piriod_async
from piriod_async import PiriodSession

PACKAGE = Path(piriod_async.__file__).parent


async def settle() -> None:
    """Let every task run until it waits for something."""
    for _ in range(20):
        await asyncio.sleep(0)


async def until(condition: Callable[[], object]) -> None:
    """Let other tasks run until the condition is true."""
    while not condition():  # noqa: ASYNC110 (it changes with the tasks, so there is nothing to wait for)
        await asyncio.sleep(0)


def pending_tasks() -> list[asyncio.Task[object]]:
    """Return the tasks that run code of the package, except its mock server."""
    coroutines = {task: task.get_coro() for task in asyncio.all_tasks()}
    codes = {task: getattr(each, "cr_code", None) for task, each in coroutines.items()}  # None: closes a generator
    files = {task: Path(code.co_filename) for task, code in codes.items() if code}
    return [task for task, file in files.items() if file.is_relative_to(PACKAGE) and "testing" not in file.parts]


def assert_idle(piriod: PiriodSession) -> None:
    """No task, no connection, no slot of the limiter and no pending request is left."""
    assert not pending_tasks()
    assert piriod.stats.in_flight == 0
    if state := piriod._transport._loop_state:
        assert not state.sender.client_session.connector._acquired
        assert state.retrier.limiter.slots.available == state.retrier.limiter.slots.capacity
        assert not state.pending
