"""The thread of a mirror, which alone uses its connection: nothing blocks the event loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Concatenate, ParamSpec, TypeVar

from piriod_async.export.threads import finish
from piriod_async.mirror.database import Database
from piriod_async.mirror.errors import MirrorError

P = ParamSpec("P")
T = TypeVar("T")


class DatabaseThread:
    """Runs functions with the database, one after the other.

    Args:
        connect: Opens the database; called before the first function, and again if the server hung up.
    """

    def __init__(self, connect: Callable[[], Database]) -> None:
        self._connect = connect
        self._database: Database | None = None
        self._executor = ThreadPoolExecutor(1, "piriod-async mirror")
        self._closed = False

    async def call(self, function: Callable[Concatenate[Database, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return the result of a function that is called with the database first.

        If cancelled, the function ends before the `CancelledError` is raised.

        Raises:
            MirrorError: The mirror is closed, or the database failed.
        """
        if self._closed:
            raise MirrorError("the mirror is closed: expected one that is open")
        return await finish(
            asyncio.wrap_future(self._executor.submit(lambda: function(self._ready(), *args, **kwargs)))
        )

    def _ready(self) -> Database:
        if self._database and self._database.is_closed:
            self._database = None
        if not self._database:
            self._database = self._connect()
        return self._database

    async def close(self) -> None:
        """Close the connection, after the function that is running."""
        if not self._closed:
            self._closed = True
            await finish(asyncio.wrap_future(self._executor.submit(self._disconnect)))
            self._executor.shutdown(wait=False)

    def _disconnect(self) -> None:
        if self._database:
            self._database.close()
