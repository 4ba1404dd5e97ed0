"""Runs a blocking call in a thread that may hang without blocking anything else."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


async def call_in_daemon_thread(function: Callable[[], T]) -> T:
    """Return the result of a blocking call, made in a daemon thread with the caller's context variables.

    Neither `asyncio.run` nor the interpreter waits for a daemon thread when it ends. Both wait for one of
    `asyncio.to_thread`, so a call that hangs would keep the process from exiting.

    Raises:
        BaseException: The error that the function raised.
    """
    loop, context = asyncio.get_running_loop(), copy_context()
    outcome: asyncio.Future[T | _Raised] = loop.create_future()

    def deliver(result: "T | _Raised") -> None:
        if not outcome.done():  # cancelled
            outcome.set_result(result)

    def run() -> None:
        try:
            result: T | _Raised = context.run(function)
        except BaseException as error:  # noqa: BLE001 (raised again in the event loop)
            result = _Raised(error)
        with suppress(RuntimeError):  # the event loop was closed meanwhile
            loop.call_soon_threadsafe(deliver, result)

    Thread(target=run, name="piriod-async token", daemon=True).start()
    result = await outcome
    if isinstance(result, _Raised):
        raise result.error
    return result


class _Raised:
    """An error as a result: a future refuses `StopIteration`."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
