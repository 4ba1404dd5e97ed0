"""The connections of a session, which the sessions derived from it share."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from weakref import WeakKeyDictionary, WeakValueDictionary

import aiohttp
from attrs import Attribute, define, field, frozen

from piriod_async.errors import APIConnectionError, ConfigurationError
from piriod_async.transport.account import Account
from piriod_async.transport.auth import Secret
from piriod_async.transport.client_session import abandon_client_session, open_client_session
from piriod_async.transport.fair_slots import FairSlots
from piriod_async.transport.forks import notify_after_fork
from piriod_async.transport.limiter import RequestLimiter
from piriod_async.transport.observer import Observer
from piriod_async.transport.pending import PendingRequests
from piriod_async.transport.token_source import HiddenFunction, TokenSource


@frozen(eq=False)
class LoopConnections:
    """The connections on one event loop.

    Attributes:
        loop: The event loop.
        client_session: The aiohttp session.
        slots: One for each request that may be in flight; the accounts take turns.
        pending: The requests in progress.
    """

    loop: asyncio.AbstractEventLoop
    client_session: aiohttp.ClientSession
    slots: FairSlots
    pending: PendingRequests = field(factory=PendingRequests, init=False)
    _limiters: "WeakKeyDictionary[Account, RequestLimiter]" = field(factory=WeakKeyDictionary, init=False, repr=False)

    def limiter_of(self, account: Account) -> RequestLimiter | None:
        """Return the limiter of an account; None before its first request."""
        return self._limiters.get(account)

    def make_limiter(self, account: Account, sleep: Callable[[float], Awaitable[None]]) -> RequestLimiter:
        """Return the limiter of an account. The first request makes it, with the `sleep` of its session."""
        limiter = self._limiters.get(account)
        if limiter is None:
            limiter = RequestLimiter(self.slots.capacity, sleep, account.circuit, self.slots)
            self._limiters[account] = limiter
        return limiter


def _is_client_session(_: object, __: "Attribute[Any]", value: object) -> None:
    if not isinstance(value, aiohttp.ClientSession | None):
        raise ConfigurationError(f"client_session={value!r}: expected an aiohttp.ClientSession")


@define(eq=False, kw_only=True)
class Connections:
    """Opens connections on the running event loop, and closes them.

    Attributes:
        client_session: The caller's aiohttp session, which we never close; None to open our own.
        concurrency: Requests in flight at once.
        current: The connections of the event loop used last; None before the first request.
        observer: Observes all sessions that use them.
    """

    client_session: aiohttp.ClientSession | None = field(validator=_is_client_session)
    concurrency: int
    closed: bool = field(default=False, init=False)
    current: LoopConnections | None = field(default=None, init=False)
    observer: Observer | None = field(default=None, init=False)
    _is_inherited: bool = field(default=False, init=False)
    _accounts: "WeakValueDictionary[object, Account]" = field(factory=WeakValueDictionary, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        notify_after_fork(self)

    def after_fork(self) -> None:
        """Start afresh in a forked process; the connections, and what is pending on them, are the parent's."""
        previous, self.current = self.current, None
        if previous and self.owns_session:
            abandon_client_session(previous.client_session)
        self._is_inherited = True

    @property
    def owns_session(self) -> bool:
        """Whether we opened the aiohttp session, and so close it."""
        return self.client_session is None

    def account(self, token: Secret | HiddenFunction) -> Account:
        """Return the account of a token: the same for the same token, or function, while a session uses it.

        Raises:
            ConfigurationError: The token is invalid.
        """
        key = token if isinstance(token, Secret) else token.key
        account = self._accounts.get(key)
        if account is None:
            account = self._accounts[key] = Account(TokenSource(token))
        return account

    async def for_running_loop(self) -> LoopConnections:
        """Return the connections of the running event loop; its first request opens them.

        Raises:
            APIConnectionError: The session is closed.
            ConfigurationError: It cannot be used on this event loop.
        """
        if self.closed:
            raise APIConnectionError("the session is closed")
        loop, previous = asyncio.get_running_loop(), self.current
        if self.client_session:
            _check_client_session(self.client_session, loop, is_inherited=self._is_inherited)
        if previous and previous.loop is loop:
            return previous
        if previous and previous.loop.is_running():
            raise ConfigurationError(
                "this session is in use on another event loop: create a PiriodSession for each loop, or thread"
            )
        client_session = self.client_session or open_client_session(self.concurrency)
        slots = FairSlots(_max_in_flight(client_session, self.concurrency))
        self.current = current = LoopConnections(loop, client_session, slots)
        if previous and self.owns_session and previous.loop.is_closed():
            await previous.client_session.close()  # cannot do I/O, but keeps aiohttp from warning
        return current

    async def close(self) -> None:
        """Cancel pending requests with an `APIConnectionError`, and close the aiohttp session if we opened it.

        Closing again does nothing.
        """
        self.closed = True
        if self.current:
            await self._close(self.current)

    async def disconnect(self) -> None:
        """Do so on the running event loop, without closing the session: its next request opens new connections."""
        current = self.current
        if current and current.loop is asyncio.get_running_loop():
            await self._close(current)
            self.current = None

    async def _close(self, current: LoopConnections) -> None:
        await current.pending.cancel_and_wait()
        if self.owns_session:
            await current.client_session.close()


def _check_client_session(
    client_session: aiohttp.ClientSession, loop: asyncio.AbstractEventLoop, *, is_inherited: bool
) -> None:
    if is_inherited:
        raise ConfigurationError(
            "client_session belongs to the process that this one was forked from: "
            "create it, and the PiriodSession, after the fork"
        )
    if client_session.closed:
        raise ConfigurationError("client_session is closed: keep it open for as long as this session is used")
    if client_session._loop is not loop:  # noqa: SLF001 (the public attribute warns)
        raise ConfigurationError("client_session belongs to another event loop: create a PiriodSession for each")


def _max_in_flight(client_session: aiohttp.ClientSession, concurrency: int) -> int:
    """Return the concurrency that the connection pool allows: waiting for a connection would count as a timeout."""
    connector = client_session.connector
    limits = (connector.limit, connector.limit_per_host) if connector else ()
    return min([concurrency, *(limit for limit in limits if limit)])
