"""A session: whose credentials, for how long, and what it lists."""

import os
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Self, TypedDict, Unpack

from attrs import frozen

from piriod_async.checkpoint import Checkpoint
from piriod_async.decoding.page_decoder import PageDecoder
from piriod_async.errors import ConfigurationError
from piriod_async.listing import CustomerListing
from piriod_async.pagination.prefetch import PREFETCH_PER_REQUEST
from piriod_async.query import MAX_PAGE_SIZE, CustomerQuery, Filters
from piriod_async.transport.attempts import AttemptHook
from piriod_async.transport.auth import SecretStr, validate_token, validate_workspace
from piriod_async.transport.base_url import DEFAULT_BASE_URL, customers_url
from piriod_async.transport.retry_policy import RetryPolicy
from piriod_async.transport.transport import Transport
from piriod_async.validators import check_callback, check_positive_int, seconds
from piriod_async.workspaces import OnError, WorkspaceListing

if TYPE_CHECKING:
    import aiohttp

_BOOLEANS = {"": False, "0": False, "false": False, "no": False, "1": True, "true": True, "yes": True}


@frozen(kw_only=True)
class SessionStats:
    """What a session is doing, and has done.

    Attributes:
        in_flight (int): Requests under way.
        pace (float | None): Requests a second that the server was found to allow; None while it has refused none.
        paused_until (float | None): When the pause that the server asked for ends (`time.monotonic`, seconds), or None.
        requests (int): Requests sent, retries among them.
        retries (int): Requests sent again after a failure.
        bytes (int): Bytes of the pages that came, inflated.
        retry_budget (int): What is left to pay retries from: 500 at most, 5 for each and 10 after a timeout. Successes
            fill it again.
    """

    in_flight: int
    pace: float | None
    paused_until: float | None
    requests: int
    retries: int
    bytes: int
    retry_budget: int


class SessionOptions(TypedDict, total=False):
    """The options of `PiriodSession`, beside whose session it is."""

    test_mode: bool
    base_url: str
    client_session: "aiohttp.ClientSession | None"
    concurrency: int
    timeout: float
    retry: RetryPolicy
    max_page_bytes: int
    on_attempt: AttemptHook | None


class PiriodSession:
    """The customers of a Piriod workspace, or of many.

    ```python
    async with PiriodSession(token="…", workspace="acc_…") as piriod:
        async for customer in piriod.customers(country="CL"):
            print(customer.id, customer.name)
    ```

    A session may be made anywhere, before there is an event loop too, and costs nothing until its first request.
    Without `async with`, close it with `await session.close()`. On a second event loop it opens new connections.

    Args:
        token: API token. It is shown nowhere: no repr, message, log record or traceback of ours.
        workspace: Id of the workspace ("acc_…") to list where `customers()` names none.
        test_mode: Whether to list the workspace's test data in place of its live data.
        base_url: Where the API is; https, unless it is this machine.
        client_session: An aiohttp session of yours to send through, with its proxies, TLS settings, headers and traces.
            It is never closed by us, and must be used on one event loop only.
        concurrency: Requests under way at once.
        timeout: Seconds for one attempt, from connecting to the last byte.
        retry: How often a request is tried, and how long to wait between.
        max_page_bytes: Longest answer accepted, bytes, inflated.
        on_attempt: Called with an `Attempt` once it is known what comes of it: to measure, trace or log. It must not
            block; what it raises ends the request.

    Raises:
        ConfigurationError: A value that cannot work.
    """

    def __init__(
        self,
        token: str,
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
    ) -> None:
        token = SecretStr(token)  # from here on, a traceback's locals show stars
        validate_token(token)
        if not isinstance(test_mode, bool):
            raise ConfigurationError(f"test_mode={test_mode!r}: expected True or False")
        if not isinstance(retry, RetryPolicy):
            raise ConfigurationError(f"retry={retry!r}: expected a RetryPolicy")
        check_positive_int("concurrency", concurrency)
        check_positive_int("max_page_bytes", max_page_bytes)
        seconds("timeout", timeout, above_zero=True)
        check_callback("on_attempt", on_attempt)
        self._workspace = None if workspace is None else validate_workspace(workspace)
        self._test_mode = test_mode
        self._decoder = PageDecoder()
        self._transport = Transport(
            url=customers_url(base_url),
            auth_headers={
                "Authorization": SecretStr(f"Token {token}"),
                "x-piriod-test-mode": "true" if test_mode else "false",
            },
            client_session=client_session,
            concurrency=concurrency,
            timeout=timeout,
            retry=retry,
            max_page_bytes=max_page_bytes,
            on_attempt=on_attempt,
        )

    @classmethod
    def from_env(cls, workspace: str | None = None, **options: Unpack[SessionOptions]) -> Self:
        """Make a session of the environment's `PIRIOD_TOKEN`.

        `PIRIOD_WORKSPACE`, `PIRIOD_TEST_MODE` (true or false) and `PIRIOD_BASE_URL` count where they are set.

        Args:
            workspace: Id of a workspace, to go before the environment's.
            **options: What else `PiriodSession` takes, likewise.

        Raises:
            ConfigurationError: `PIRIOD_TOKEN` is not set, or a value cannot work.
        """
        if not os.environ.get("PIRIOD_TOKEN"):
            raise ConfigurationError("PIRIOD_TOKEN is not set: expected an API token (from the Piriod dashboard)")
        mode = os.environ.get("PIRIOD_TEST_MODE", "")
        if mode.casefold() not in _BOOLEANS:
            raise ConfigurationError(f"PIRIOD_TEST_MODE={mode!r}: expected true or false")
        found: SessionOptions = {
            "test_mode": _BOOLEANS[mode.casefold()],
            "base_url": os.environ.get("PIRIOD_BASE_URL") or DEFAULT_BASE_URL,
        }
        workspace = workspace or os.environ.get("PIRIOD_WORKSPACE") or None
        return cls(os.environ["PIRIOD_TOKEN"], workspace, **(found | options))

    def customers(
        self,
        *,
        workspace: str | None = None,
        country: str | None = None,
        email: str | None = None,
        name: str | None = None,
        tax_id: str | None = None,
        created__gte: datetime | None = None,
        created__lte: datetime | None = None,
        subscriptions: str | None = None,
        sources: str | None = None,
        metadata: Mapping[str, str] | None = None,
        ordering: str | None = "created",
        page_size: int = MAX_PAGE_SIZE,
        after: Checkpoint | None = None,
        check_filters: bool = True,
    ) -> CustomerListing:
        """Return the listing of the customers that match every filter given. Nothing is sent until it is read.

        Args:
            workspace: Id of the workspace, if not the session's.
            country: Country id, as in `"CL"`.
            email: E-mail address.
            name: Name, or a part of it.
            tax_id: Tax identifier (RUT, RFC, NIT, …).
            created__gte: Created at or after this instant; an aware datetime.
            created__lte: Created at or before this instant; an aware datetime.
            subscriptions: Id of a subscription of the customer.
            sources: Id of a payment source of the customer.
            metadata: Metadata that must be there, text by key: `{"plan": "gold"}`.
            ordering: `"created"` or `"-created"`: every customer exactly once, even while the list changes. Any other
                field or comma list of fields, or None for the server's own order: if the list is seen to change while
                it is read, all that came is delivered and then `IncompleteListError` is raised.
            page_size: Customers asked for with one request, 1 to 100; 10 at least by `created`.
            after: Where an earlier listing of the same query stopped (`listing.checkpoint`), to go on from there.
            check_filters: Whether to raise `FilterIgnoredError` for a customer that a filter excludes.

        Raises:
            QueryError: A value that the API would misread.
            ConfigurationError: No workspace.

        Source: `GET /customers/`.
        """
        query = CustomerQuery(
            country=country,
            email=email,
            name=name,
            tax_id=tax_id,
            created__gte=created__gte,
            created__lte=created__lte,
            subscriptions=subscriptions,
            sources=sources,
            metadata=metadata,
            ordering=ordering,
            page_size=page_size,
        )
        workspace = self._workspace if workspace is None else validate_workspace(workspace)
        if workspace is None:
            raise ConfigurationError(
                "workspace=None: expected a workspace's id: here, in PiriodSession(workspace=…) or PIRIOD_WORKSPACE"
            )
        return self._list(
            query, workspace, after, check_filters, lambda: PREFETCH_PER_REQUEST * self._transport.concurrency
        )

    def across(
        self,
        workspaces: Iterable[str] | AsyncIterable[str],
        *,
        on_error: OnError = "raise",
        check_filters: bool = True,
        **filters: Unpack[Filters],
    ) -> WorkspaceListing:
        """Return the listing of many workspaces' customers, side by side. Nothing is sent until it is read.

        ```python
        async for workspace, customer in piriod.across(["acc_1", "acc_2"], country="CL"): ...
        ```

        Args:
            workspaces: Ids; any iterable, also an asynchronous one. They are taken as there is room, each once.
            on_error: `"raise"`: the first workspace that fails ends it all. `"collect"`: the others go on, and
                `listing.errors` says which failed, and why.
            check_filters: Whether a customer that a filter excludes is a `FilterIgnoredError`.
            **filters: As for `customers`: filters, `ordering` and `page_size`.

        Raises:
            QueryError: A value that the API would misread.

        Source: `GET /customers/`.
        """
        query = CustomerQuery(**filters)

        def listing(workspace: str, ahead: Callable[[], int]) -> CustomerListing:
            return self._list(query, validate_workspace(workspace), None, check_filters, ahead)

        return WorkspaceListing(
            workspaces=workspaces, list=listing, concurrency=self._transport.concurrency, on_error=on_error
        )

    def _list(
        self, query: CustomerQuery, workspace: str, after: Checkpoint | None, check: bool, ahead: Callable[[], int]
    ) -> CustomerListing:
        return CustomerListing(
            query,
            workspace,
            transport=self._transport,
            decoder=self._decoder,
            test_mode=self._test_mode,
            after=after,
            check_filters=check,
            ahead=ahead,
        )

    @property
    def stats(self) -> SessionStats:
        """What the session is doing, and has done."""
        limiter, counters = self._transport.limiter, self._transport.counters
        return SessionStats(
            in_flight=limiter.in_flight if limiter else 0,
            pace=limiter.rate if limiter else None,
            paused_until=limiter.paused_until if limiter else None,
            requests=counters.requests,
            retries=counters.retries,
            bytes=counters.bytes_received,
            retry_budget=self._transport.retry_budget.tokens,
        )

    async def close(self) -> None:
        """End the crawls under way with an `APIConnectionError`, and close the connections that are ours.

        Closing again is harmless; using the session again is an error.
        """
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        if not hasattr(self, "_transport"):  # in the traceback of its own refusal
            return object.__repr__(self)
        mode = ", test_mode=True" if self._test_mode else ""
        return f"<{type(self).__name__} {self._transport.url.parent.parent} workspace={self._workspace!r}{mode}>"
