"""Where the token comes from: a text that never changes, or a function that is asked for it, and again after a 401."""

import asyncio
import inspect
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn, TypeAlias, cast

from attrs import define

from piriod_async.errors import ConfigurationError
from piriod_async.transport.auth import Secret, pickle_error, validate_token
from piriod_async.transport.daemon_thread import call_in_daemon_thread
from piriod_async.transport.redaction import Redactor

TokenFunction: TypeAlias = Callable[[], str | Awaitable[str]]
_MAX_KEPT = 10  # tokens that a response to a request sent earlier could still echo


class HiddenFunction:
    """A function that returns a token; its own repr may have secrets, such as the arguments of a `partial`.

    Attributes:
        call: The function.
        name: Its name.
    """

    __slots__ = ("call", "name")

    def __init__(self, function: TokenFunction) -> None:
        self.call = function
        self.name = str(getattr(function, "__qualname__", type(function).__qualname__))

    def __repr__(self) -> str:
        return f"<function {self.name}>"

    def __reduce__(self) -> NoReturn:
        raise pickle_error()

    @property
    def key(self) -> object:
        """Identity of the function, or of the method of an object, for as long as an account holds it.

        The function itself might hold a session, and so keep its own account alive for ever.
        """
        owner, method = getattr(self.call, "__self__", None), getattr(self.call, "__func__", None)
        return (id(owner), id(method)) if method else id(self.call)


def hide_token(token: Any) -> Any:
    """Return a token as an object that no traceback shows: a function, a `Secret`, or one of them hidden before."""
    if isinstance(token, HiddenFunction):
        return token
    return HiddenFunction(cast("TokenFunction", token)) if callable(token) else Secret(token, scheme="Token")


class TokenSource:
    """The token of an account. It is asked for when it is first needed, and kept.

    Args:
        token: The token, or the function that returns it.

    Raises:
        ConfigurationError: The token is invalid.
    """

    def __init__(self, token: Secret | HiddenFunction) -> None:
        self.used: deque[Secret] = deque(maxlen=_MAX_KEPT)
        self.redactor = Redactor(self.used)
        self._function: HiddenFunction | None = None
        self._call: _Call | None = None
        if isinstance(token, Secret):
            self.used.append(validate_token(token))
        else:
            self._function = token

    def __repr__(self) -> str:
        return f"TokenSource({self._function or self.latest!r})"

    @property
    def latest(self) -> Secret | None:
        """The current token; None before the function was asked for the first."""
        return self.used[-1] if self.used else None

    @property
    def can_renew(self) -> bool:
        """Whether another token can be had after a 401."""
        return self._function is not None

    async def ready(self, max_wait: float) -> None:
        """Wait until there is a token that is not known to be refused.

        Args:
            max_wait: Seconds to wait for the function.

        Raises:
            ConfigurationError: The function failed.
        """
        if not self.used or self.is_asking:
            await self._ask(max_wait)

    async def renew(self, refused: Secret, max_wait: float) -> bool:
        """Return whether there is another token than the one that was refused; ask for it if no other request has.

        Args:
            refused: The token that the request was sent with.
            max_wait: Seconds to wait for the function.

        Raises:
            ConfigurationError: The function failed.
        """
        if self.latest == refused:
            await self._ask(max_wait)
        return self.latest != refused

    @property
    def is_asking(self) -> bool:
        """Whether the function is being asked for another token, because the latest was refused."""
        return self._call is not None and self._pending_call is not None

    def after_fork(self) -> None:
        """Forget the call that is pending: it is the parent's."""
        self._call = None

    @property
    def _pending_call(self) -> "_Call | None":
        """The call that can be waited for; one of an event loop that has ended never returns."""
        call = self._call
        is_pending = call and not call.task.done() and call.task.get_loop() is asyncio.get_running_loop()
        return call if is_pending else None

    async def _ask(self, max_wait: float) -> None:
        """Wait for the pending call of the function, or make one. It is cancelled when no request waits any more."""
        call = self._pending_call
        if call is None:
            call = self._call = _Call(asyncio.create_task(self._call_function()))
        call.waiting += 1
        try:
            await asyncio.wait([call.task], timeout=max_wait)  # when this is cancelled, the task continues
        finally:
            call.waiting -= 1
            if not call.waiting:
                call.task.cancel()
                if self._call is call:
                    self._call = None
        if not call.task.done():
            raise ConfigurationError(f"{self._name}: returned nothing within timeout={max_wait:g} s")
        if call.task.cancelled():
            raise ConfigurationError(f"{self._name}: was cancelled: expected an API token")
        problem, cause = call.task.result()
        if problem:
            raise ConfigurationError(problem) from cause

    async def _call_function(self) -> tuple[str, Exception | None]:
        """Keep the token that the function returns; return what is wrong with it, or "", and the error it raised."""
        assert self._function  # noqa: S101 (otherwise it is never called)
        try:
            value = await _call(self._function.call)
        except Exception as error:  # noqa: BLE001 (raised for each request that waits)
            problem = f"{self._name}: raised {type(error).__name__}: expected it to return an API token"
            return problem, self.redactor.error(error, None, keep_tracebacks=True)
        if not isinstance(value, Secret):
            return f"{self._name}: returned {type(value).__name__}: expected an API token, as text", None
        try:
            validate_token(value, prefix=f"{self._name}: returned ")
        except ConfigurationError as error:
            return str(error), None
        if value != self.latest:
            self.used.append(value)
        return "", None

    @property
    def _name(self) -> str:
        """The function in messages."""
        return f"token={self._function and self._function.name}()"


@define(eq=False)
class TokenUse:
    """The token of one request, through all its attempts.

    Attributes:
        source: Where it comes from.
        max_wait: Seconds to wait for it.
        sent: The token that the latest attempt was sent with.
    """

    source: TokenSource
    max_wait: float
    sent: Secret | None = None

    def take(self) -> None:
        """Send the next attempt with the latest token."""
        self.sent = self.source.latest

    @property
    def must_wait(self) -> bool:
        """Whether an attempt would be sent with a token that was refused, while another one is asked for."""
        return self.source.is_asking

    async def ready(self) -> None:
        """Wait until there is a token.

        Raises:
            ConfigurationError: The function failed.
        """
        await self.source.ready(self.max_wait)

    async def renew(self) -> bool:
        """Return whether there is another token after a 401.

        Raises:
            ConfigurationError: The function failed.
        """
        return self.sent is not None and self.source.can_renew and await self.source.renew(self.sent, self.max_wait)


@define(eq=False)
class _Call:
    """A call of the function, and the number of requests that wait for it."""

    task: "asyncio.Task[tuple[str, Exception | None]]"
    waiting: int = 0


async def _call(function: TokenFunction) -> object:
    """Return what a function returns, text as a `Secret`. One that is not async is called in a thread."""
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None)):  # noqa: B004
        value: object = function()
    else:
        value = await call_in_daemon_thread(lambda: _hide(function()))
    return _hide(await value) if inspect.isawaitable(value) else value


def _hide(value: object) -> object:
    return Secret(value, scheme="Token") if isinstance(value, str) else value
