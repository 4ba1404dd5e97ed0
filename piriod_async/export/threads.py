"""Work that a cancellation must not leave running behind the caller's back."""

import asyncio
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def run_in_thread(call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Return the result of a blocking call, made in a thread.

    If cancelled, the call ends before the `CancelledError` is raised. `asyncio.to_thread` raises it at once, and its
    thread goes on writing into a file that the caller believes to be its own again.
    """
    loop = asyncio.get_running_loop()
    return await finish(loop.run_in_executor(None, partial(copy_context().run, call, *args, **kwargs)))


async def finish(future: "asyncio.Future[T]", patience: float | None = None) -> T:
    """Return the result of a future, which is done before a cancellation is raised.

    Args:
        future: The future.
        patience: Seconds after which a cancellation cancels the future too; None for never.
    """
    cancellation: asyncio.CancelledError | None = None
    while not future.done():
        try:
            done, _ = await asyncio.wait([future], timeout=patience if cancellation else None)
        except asyncio.CancelledError as error:
            cancellation = error
        else:
            if not done:
                future.cancel()
    if cancellation:
        if not future.cancelled():
            future.exception()  # otherwise asyncio logs that nobody looked at it
        raise cancellation
    return future.result()
