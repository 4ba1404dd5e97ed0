"""The sessions of a worker: one for each token, with its connections and its limiter."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from functools import partial
from importlib import import_module
from threading import Lock
from typing import Any, TypeVar, cast

from attrs import define, field
from distributed import Worker, WorkerPlugin, get_worker, secede

from piriod_async.errors import ConfigurationError
from piriod_async.pagination.prefetch import cancel_and_wait
from piriod_async.session import PiriodSession, SessionOptions, options_from_env, read_variable
from piriod_async.transport.attempts import Attempt
from piriod_async.transport.token_source import TokenFunction

T = TypeVar("T")
_THROTTLED = 429


@define(eq=False)
class WorkerSession:
    """A session, and how often it was throttled.

    Attributes:
        session: The session.
        throttled: Responses with the status 429.
    """

    session: PiriodSession = field(init=False)
    throttled: int = field(default=0, init=False)

    @classmethod
    def open(cls, token: str, options: SessionOptions) -> "WorkerSession":
        """Open a session with the token of that name.

        Raises:
            ConfigurationError: The token or an option is not valid.
        """
        new = cls()
        settings = options_from_env() | options
        settings["on_attempt"] = new._count
        new.session = PiriodSession(token_function(token), **settings)
        return new

    def _count(self, attempt: Attempt) -> None:
        self.throttled += attempt.status == _THROTTLED


class SessionPlugin(WorkerPlugin):
    """Keeps the sessions of a worker, and closes them with it."""

    name = "piriod-async"
    idempotent = True  # another run on the cluster must not close the sessions of this one

    async def setup(self, worker: Worker) -> None:
        """Start with no session; they are opened when a task needs them."""
        self._worker = worker
        self._sessions: dict[Any, WorkerSession] = {}
        self._lock = Lock()
        self._tasks: set[asyncio.Task[Any]] = set()

    async def teardown(self, worker: Worker) -> None:  # noqa: ARG002 (of the interface)
        """Cancel what is being read, and close the sessions."""
        await cancel_and_wait(list(self._tasks))
        for opened in self._sessions.values():
            await opened.session.close()
        self._sessions.clear()

    def session(self, token: str, options: SessionOptions) -> WorkerSession:
        """Return the session of a token, which is opened if need be."""
        key = (token, tuple(sorted(options.items())))
        with self._lock:
            if key not in self._sessions:
                self._sessions[key] = WorkerSession.open(token, options)
            return self._sessions[key]

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the worker's event loop, from the thread of a task.

        Raises:
            RuntimeError: The worker is closed meanwhile.
        """

        async def run() -> T:
            task = asyncio.current_task()
            assert task  # noqa: S101 (for the type checker)
            self._tasks.add(task)
            try:
                return await coroutine
            finally:
                self._tasks.discard(task)

        loop = self._worker.loop.asyncio_loop  # type: ignore[attr-defined]  # of tornado's loop on asyncio
        try:
            return asyncio.run_coroutine_threadsafe(run(), loop).result()
        except CancelledError:
            raise RuntimeError("the worker was closed while it read customers") from None


def run_with_session(token: str, options: SessionOptions, read: Callable[[WorkerSession], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine with the worker's session of a token, from the thread of a task."""
    plugin = cast("SessionPlugin", get_worker().plugins[SessionPlugin.name])
    session = plugin.session(token, options)
    secede()  # the event loop does the work: the number of threads must not limit how many tokens are read at once
    return plugin.run(read(session))


def token_function(name: str) -> TokenFunction:
    """Return a function that returns the token: the one of that name, or one that reads the environment variable.

    Raises:
        ConfigurationError: The worker lacks the variable, or cannot import the function.
    """
    module, is_function, attribute = name.partition(":")
    if is_function:
        try:
            function: TokenFunction = getattr(import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            raise ConfigurationError(f"token_env={name!r}: the worker cannot import it ({error})") from None
        return function
    if not read_variable(name):
        raise ConfigurationError(f"{name} is not set on the worker: expected an API token")
    return partial(read_variable, name)
