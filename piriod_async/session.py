"""The session: credentials, connections, and what can be listed with them."""

import os
from collections.abc import AsyncIterable, Hashable, Iterator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self, TypeAlias, TypedDict, Unpack, cast

from attrs import frozen

from piriod_async.access_report import AccessReport, make_report
from piriod_async.checkpoint import Checkpoint
from piriod_async.decoding.page_decoder import PageDecoder
from piriod_async.env_logging import configure_logging
from piriod_async.errors import ConfigurationError, QueryError
from piriod_async.iteration import OnInvalid
from piriod_async.listing import CustomerListing, check_on_invalid
from piriod_async.pagination.adaptive_limit import PREFETCH_PER_REQUEST
from piriod_async.pagination.prefetch import PrefetchLimit
from piriod_async.query import CustomerFilters, CustomerQuery, check_names, show_filters
from piriod_async.transport.attempts import AttemptHook
from piriod_async.transport.auth import validate_workspace
from piriod_async.transport.base_url import DEFAULT_BASE_URL, customers_url, hide_login
from piriod_async.transport.connections import Connections
from piriod_async.transport.retry_policy import RetryPolicy
from piriod_async.transport.token_source import TokenFunction, hide_token
from piriod_async.transport.transport import Transport
from piriod_async.validators import check_callback, check_positive_int, check_rate, check_seconds
from piriod_async.workspaces import OnError, Several, Source, WorkspaceListing

if TYPE_CHECKING:
    import aiohttp

_BOOL_BY_TEXT = {  # those of the command's option
    **dict.fromkeys(("", "0", "false", "f", "no", "n", "off"), False),
    **dict.fromkeys(("1", "true", "t", "yes", "y", "on"), True),
}


def read_variable(name: str) -> str:
    """Return an environment variable without the line end that `echo` and files with CRLF leave in it."""
    return os.environ.get(name, "").strip()


@frozen(kw_only=True)
class SessionStats:
    """Counters of a session, and its current state; those of `with_options` with the same token are included.

    Attributes:
        in_flight: Requests that have been sent and not answered.
        rate: Requests per second at most: `requests_per_second`, or what the server was found to allow if that is less.
            None if neither is known.
        paused_until: End of the pause that the server asked for (`time.monotonic`, seconds), or None.
        requests: Requests sent, including retries.
        retries: Requests sent again after a failure.
        bytes_received: Bytes of response bodies, decompressed.
        retry_budget: Tokens left for retries, 500 at most. A retry costs 5, after a timeout 10; successes refill it.
    """

    in_flight: int
    rate: float | None
    paused_until: float | None
    requests: int
    retries: int
    bytes_received: int
    retry_budget: int


class SessionOptions(TypedDict, total=False):
    """The options of `PiriodSession` besides its token and workspace."""

    test_mode: bool
    base_url: str
    client_session: "aiohttp.ClientSession | None"
    concurrency: int
    timeout: float
    retry: RetryPolicy
    max_page_bytes: int
    on_attempt: AttemptHook | None
    requests_per_second: float | None


class DerivedOptions(TypedDict, total=False):
    """The options of `PiriodSession.with_options`; the others belong to the connections."""

    token: str | TokenFunction
    workspace: str | None
    test_mode: bool
    base_url: str
    timeout: float
    retry: RetryPolicy
    on_attempt: AttemptHook | None
    requests_per_second: float | None


def hide_login_option(options: SessionOptions | DerivedOptions) -> None:
    """Take a user and password out of `base_url`, which a traceback with local variables would show."""
    if "base_url" in options:
        options["base_url"] = hide_login(options["base_url"])


def options_from_env() -> SessionOptions:
    """Return the options that `PIRIOD_TEST_MODE` and `PIRIOD_BASE_URL` set.

    Raises:
        ConfigurationError: `PIRIOD_TEST_MODE` is neither true nor false.
    """
    mode = read_variable("PIRIOD_TEST_MODE")
    if mode.casefold() not in _BOOL_BY_TEXT:
        raise ConfigurationError(f"PIRIOD_TEST_MODE={mode!r}: expected true or false")
    return {
        "test_mode": _BOOL_BY_TEXT[mode.casefold()],
        "base_url": hide_login(read_variable("PIRIOD_BASE_URL") or DEFAULT_BASE_URL),
    }


class PiriodSession:
    """An async session for the customers of one Piriod workspace, or of many.

    ```python
    async with PiriodSession(token="…", workspace="acc_…") as piriod:
        async for customer in piriod.customers(country="CL"):
            print(customer.id, customer.name)
    ```

    A session can be created anywhere, even before there is an event loop; it opens connections with its first request.
    Without `async with`, close it with `await session.close()`. On a second event loop, and in a forked process, it
    opens new connections. Threads that run an event loop each need a session each.

    Args:
        token: API token, or a function, plain or async, that returns it: called when a token is first needed, and again
            after a 401. No token appears in a repr, message, log record or traceback of this library.
        workspace: Id of the workspace ("acc_…") to list where `customers()` names none.
        test_mode: List the test data of the workspace instead of its live data.
        base_url: Base URL of the API; https, unless the host is this machine.
        client_session: Your own aiohttp session to send requests with; its proxy, TLS, header and trace settings are
            used. You close it. It must be used on one event loop of one process only.
        concurrency: Maximum number of requests in flight.
        timeout: Seconds for one attempt, from connecting to the last byte; and for a call of the function of `token`.
        retry: How often to retry, and how long to wait.
        max_page_bytes: Maximum length of a response body in bytes, decompressed.
        on_attempt: Called with an `Attempt` when its outcome is known, to measure, trace or log. It must not block;
            what it raises ends the request.
        requests_per_second: Maximum rate of requests, retries included, for those who know their limit or share it.
            They are evenly spaced, and each counts until a second after its response, so that a server that allows as
            many refuses none. Slow responses lower the rate. Below it, the rate adapts to the server's 429s.

    Raises:
        ConfigurationError: An argument, or the environment variable `PIRIOD_LOG`, is not valid.
    """

    def __init__(
        self,
        token: str | TokenFunction,
        workspace: str | None = None,
        *,
        test_mode: bool = False,
        base_url: str = DEFAULT_BASE_URL,
        client_session: "aiohttp.ClientSession | None" = None,
        concurrency: int = 8,
        timeout: float = 30.0,
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 (it is frozen)
        max_page_bytes: int = 16 * 1024 * 1024,
        on_attempt: AttemptHook | None = None,
        requests_per_second: float | None = None,
    ) -> None:
        token, base_url = hide_token(token), hide_login(base_url)  # from here on, tracebacks show neither
        check_positive_int("concurrency", concurrency)
        configure_logging(read_variable("PIRIOD_LOG"))
        self._is_derived = False
        self._configure(
            Connections(client_session=client_session, concurrency=concurrency),
            token=token,
            workspace=workspace,
            test_mode=test_mode,
            base_url=base_url,
            timeout=timeout,
            retry=retry,
            max_page_bytes=max_page_bytes,
            on_attempt=on_attempt,
            requests_per_second=requests_per_second,
        )
        self._decoder = PageDecoder()

    def _configure(self, connections: Connections, **settings: Any) -> None:
        """Check settings, and use them from now on."""
        test_mode, retry, workspace = settings["test_mode"], settings["retry"], settings["workspace"]
        if not isinstance(test_mode, bool):
            raise ConfigurationError(f"test_mode={test_mode!r}: expected True or False")
        if not isinstance(retry, RetryPolicy):
            raise ConfigurationError(f"retry={retry!r}: expected a RetryPolicy")
        check_positive_int("max_page_bytes", settings["max_page_bytes"])
        check_seconds("timeout", settings["timeout"], positive=True)
        check_callback("on_attempt", settings["on_attempt"])
        check_rate("requests_per_second", settings["requests_per_second"])
        self._settings = settings
        self._workspace = None if workspace is None else validate_workspace(workspace)
        account = connections.account(hide_token(settings["token"]))
        self._transport = Transport(
            connections=connections,
            account=account,
            url=customers_url(settings["base_url"]),
            test_mode=test_mode,
            timeout=settings["timeout"],
            retry=retry,
            max_page_bytes=settings["max_page_bytes"],
            on_attempt=settings["on_attempt"],
            cap=account.cap(settings["requests_per_second"]),
        )
        data = "test data" if test_mode else "live data"
        self._origin = f"{data} of {self._transport.url.parent.parent}"  # of one workspace, in results of many

    @classmethod
    def from_env(
        cls,
        workspace: str | None = None,
        *,
        token: str | TokenFunction | None = None,
        **options: Unpack[SessionOptions],
    ) -> Self:
        """Create a session from environment variables.

        Reads `PIRIOD_TOKEN`, and where they are set `PIRIOD_WORKSPACE`, `PIRIOD_TEST_MODE` (true or false) and
        `PIRIOD_BASE_URL`.

        Args:
            workspace: Workspace id; takes precedence over `PIRIOD_WORKSPACE`.
            token: API token, or a function that returns it; takes precedence over `PIRIOD_TOKEN`.
            **options: Options of `PiriodSession`; they take precedence too.

        Raises:
            ConfigurationError: `PIRIOD_TOKEN` is not set, or a value is not valid.
        """
        token = None if token is None else hide_token(token)  # a traceback's locals show stars
        hide_login_option(options)
        if workspace is None:
            workspace = read_variable("PIRIOD_WORKSPACE") or None
        if token is None and not read_variable("PIRIOD_TOKEN"):
            missing = "PIRIOD_TOKEN is not set: expected an API token (from the Piriod dashboard)"
            also = "PIRIOD_WORKSPACE is not set either: expected a workspace id, unless each listing names its own"
            raise ConfigurationError(missing if workspace else f"{missing}. {also}")
        token = hide_token(read_variable("PIRIOD_TOKEN")) if token is None else token
        return cls(cast("str", token), workspace, **(options_from_env() | options))

    def with_options(self, **changes: Unpack[DerivedOptions]) -> Self:
        """Return a session with other settings over the same connections, with the same lifetime.

        ```python
        patient = piriod.with_options(timeout=120, retry=RetryPolicy(attempts=10))
        other = piriod.with_options(token="…", workspace="acc_2")
        ```

        It needs no closing: closing it does nothing, and closing the session it comes from closes both. Sessions with
        the same token share one rate limit, retry budget and `stats`; each other token has its own, however many
        sessions are made with it. Only those with the same `requests_per_second` share that cap. A session that is made
        for one call costs nothing once it is dropped.

        Args:
            **changes: Arguments of `PiriodSession` to replace: `token`, `workspace`, `test_mode`, `base_url`,
                `timeout`, `retry`, `on_attempt` or `requests_per_second`.

        Raises:
            ConfigurationError: An argument is unknown, or not valid.
        """
        hide_login_option(changes)
        if "token" in changes:
            changes["token"] = hide_token(changes["token"])
        known = DerivedOptions.__annotations__
        if unknown := sorted(changes.keys() - known.keys()):
            cast("dict[str, Any]", changes).clear()  # a traceback shows no token that was passed by a misspelt name
            expected = f"expected some of {', '.join(known)}"
            raise ConfigurationError(f"{unknown[0]}=…: with_options cannot change it: {expected}")
        session = object.__new__(type(self))
        vars(session).update(vars(self))
        session._is_derived = True
        session._configure(self._transport.connections, **(self._settings | changes))
        return session

    @show_filters
    def customers(
        self,
        *,
        workspace: str | None = None,
        after: Checkpoint | None = None,
        check_filters: bool = True,
        on_invalid: OnInvalid = "raise",
        **filters: Unpack[CustomerFilters],
    ) -> CustomerListing:
        """List the customers that match every filter given. Nothing is sent until the listing is read.

        Args:
            workspace: Workspace id, if not the session's.
            after: The `checkpoint` of an earlier listing with the same query, to resume it.
            check_filters: Raise `FilterIgnoredError` if the server returns a customer that a filter excludes, or live
                data where test data was requested, or the other way round.
            on_invalid: How to treat a record that cannot be decoded. `"raise"`: deliver everything before it, then
                raise a `DecodeError` that names it; its `checkpoint` is right before the record. `"skip"`: deliver
                everything else; `listing.invalid` has the records that were skipped.
            **filters: Filters, `ordering` and `page_size`; `CustomerQuery` describes each.

        Raises:
            QueryError: A value that the API would misread.
            ConfigurationError: There is no workspace.

        Source: `GET /customers/`.
        """
        check_names(filters, PiriodSession.customers)
        query = CustomerQuery(**filters)
        workspace = self._workspace if workspace is None else validate_workspace(workspace)
        if workspace is None:
            raise ConfigurationError(
                "workspace=None: expected a workspace id, here, in PiriodSession(workspace=…) or in PIRIOD_WORKSPACE"
            )
        return self._make_listing(
            query, workspace, self._prefetch_limit, after=after, check_filters=check_filters, on_invalid=on_invalid
        )

    async def check(self, *, workspace: str | None = None) -> AccessReport:
        """Check that the API can be reached, and that the token may read the workspace. Sends one request.

        It is retried as any other. Where an answer is wanted at once, as by the probe of a container:
        `piriod.with_options(timeout=2, retry=RetryPolicy(attempts=1)).check()`.

        Args:
            workspace: Workspace id, if not the session's.

        Raises:
            PiriodError: The API cannot be reached, or refuses the token or the workspace.
            ConfigurationError: There is no workspace.

        Source: `GET /customers/`.
        """
        listing = self.customers(workspace=workspace, ordering=None, on_invalid="skip")
        async with aclosing(listing._new_iteration()) as iteration:  # noqa: SLF001
            page = await iteration.fetch_one(raise_invalid=False)
        return make_report(page, datetime.now(UTC), workspace=listing.workspace, test_mode=self._transport.test_mode)

    @show_filters
    def across(
        self,
        workspaces: "Workspaces",
        *,
        on_error: OnError = "raise",
        check_filters: bool = True,
        on_invalid: OnInvalid = "raise",
        **filters: Unpack[CustomerFilters],
    ) -> WorkspaceListing:
        """List the customers of many workspaces, read concurrently. Nothing is sent until the listing is read.

        ```python
        async for workspace, customer in piriod.across(["acc_1", "acc_2"], country="CL"): ...

        other = piriod.with_options(token="…", workspace="acc_3")
        async for workspace, customer in piriod.across(["acc_1", other]): ...
        ```

        Args:
            workspaces: Workspace ids, and sessions that have a workspace, which are read with their own settings: a
                collection, or any iterator or async iterable. They are taken as there is room; an id that is repeated
                is read once. Results are labelled by id, so an id must not stand for two lists of customers, such as
                live data and test data.
            on_error: `"raise"`: the first workspace that fails ends the iteration. `"collect"`: the others continue,
                and `listing.errors` has the ones that failed.
            check_filters: As for `customers`.
            on_invalid: As for `customers`; `listing.invalid` is by workspace.
            **filters: As for `customers`.

        Raises:
            QueryError: A value that the API would misread.

        Source: `GET /customers/`.
        """
        check_names(filters, PiriodSession.across)
        query = CustomerQuery(**filters)
        check_on_invalid(on_invalid)

        def resolve(item: object) -> Source:
            session = item if isinstance(item, PiriodSession) else self
            workspace = item if session is not item else session._workspace  # noqa: SLF001
            if not isinstance(workspace, Hashable) or (session is item and workspace is None):
                raise QueryError(f"workspaces: {item!r}: expected a workspace id, or a session with a workspace")

            def make_listing(prefetch_limit: PrefetchLimit) -> CustomerListing:
                return session._make_listing(  # noqa: SLF001
                    query,
                    validate_workspace(workspace),
                    prefetch_limit,
                    check_filters=check_filters,
                    on_invalid=on_invalid,
                )

            return Source(cast("str", workspace), session._origin, make_listing)  # noqa: SLF001

        return WorkspaceListing(
            workspaces=workspaces,
            resolve=resolve,
            concurrency=self._transport.concurrency,
            on_error=on_error,
        )

    def _make_listing(
        self,
        query: CustomerQuery,
        workspace: str,
        prefetch_limit: PrefetchLimit,
        *,
        check_filters: bool,
        on_invalid: OnInvalid,
        after: Checkpoint | None = None,
    ) -> CustomerListing:
        return CustomerListing(
            query,
            workspace,
            transport=self._transport,
            decoder=self._decoder,
            test_mode=self._transport.test_mode,
            after=after,
            check_filters=check_filters,
            on_invalid=on_invalid,
            prefetch_limit=prefetch_limit,
        )

    def _prefetch_limit(self) -> int:
        return PREFETCH_PER_REQUEST * self._transport.concurrency

    @property
    def stats(self) -> SessionStats:
        """Counters and current state."""
        transport, limiter = self._transport, self._transport.limiter
        return SessionStats(
            in_flight=limiter.in_flight if limiter else 0,
            rate=transport.rate,
            paused_until=limiter.paused_until if limiter else None,
            requests=transport.counters.requests,
            retries=transport.counters.retries,
            bytes_received=transport.counters.bytes_received,
            retry_budget=transport.retry_budget.tokens,
        )

    async def close(self) -> None:
        """End pending listings with an `APIConnectionError`, and close the session's own connections.

        Closing it again does nothing; using it again raises. Closing a session made by `with_options` does nothing.
        """
        if not self._is_derived:
            await self._transport.connections.close()

    aclose = close
    """The same, by the name that `contextlib.aclosing` calls."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        if not hasattr(self, "_transport"):  # in a traceback of its own __init__
            return object.__repr__(self)
        mode = ", test_mode=True" if self._transport.test_mode else ""
        return f"<{type(self).__name__} {self._transport.url.parent.parent} workspace={self._workspace!r}{mode}>"


WorkspaceItem: TypeAlias = str | PiriodSession
Workspaces: TypeAlias = Several[WorkspaceItem] | Iterator[WorkspaceItem] | AsyncIterable[WorkspaceItem]
