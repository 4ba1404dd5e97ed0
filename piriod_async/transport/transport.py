"""One GET, one page."""

import asyncio
import importlib.metadata
import logging
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, TypeVar

import aiohttp
from attrs import Attribute, define, field, frozen
from yarl import URL

from piriod_async.errors import (
    APIConnectionError,
    APITimeoutError,
    ConfigurationError,
    DecodeError,
    error_from_response,
)
from piriod_async.transport.attempts import AttemptHook, Request
from piriod_async.transport.client_session import open_client_session, proxy_options
from piriod_async.transport.limiter import Gate
from piriod_async.transport.retry import Retrier, RetryPolicy
from piriod_async.transport.retry_after import parse_retry_after
from piriod_async.transport.retry_budget import Budget

T = TypeVar("T")
logger = logging.getLogger("piriod_async")

_POLITENESS = {
    "Accept": "application/json",
    "User-Agent": f"piriod-async/{importlib.metadata.version('piriod-async')} aiohttp/{aiohttp.__version__}",
}
_NO_TIMEOUT = aiohttp.ClientTimeout(total=None)  # its own forgets a cancellation that comes in the turn it fires
_REQUEST_IDS = ("X-Request-Id", "Request-Id", "X-Amzn-RequestId", "CF-Ray")


@define(eq=False)
class RequestCounters:
    """Requests counted as they are sent: by the session, and by each iteration of a listing."""

    requests: int = 0
    retries: int = 0
    bytes: int = 0


@frozen
class _Binding:
    """What belongs to one event loop."""

    loop: asyncio.AbstractEventLoop
    client: aiohttp.ClientSession
    proxy: Mapping[str, Any] = field(repr=False)  # it may have a password
    retrier: Retrier


def _is_client(_: object, __: "Attribute[Any]", value: object) -> None:
    if not isinstance(value, aiohttp.ClientSession | None):
        raise ConfigurationError(f"client_session={value!r}: expected an aiohttp.ClientSession")


@define(eq=False)
class Transport:
    """Sends a session's requests.

    Attributes:
        url: Where customers are listed.
        credentials: Headers that every request carries; the token among them hides itself from `repr`.
        borrowed: The caller's own aiohttp session, which is theirs to close.
        concurrency: Requests under way at once.
        timeout: Seconds for one attempt, from connecting to the last byte of the body.
        retry: How often to try, and how long to wait between.
        max_page_bytes: Longest body, after inflation.
        on_attempt: Is told of every attempt.
    """

    url: URL
    credentials: Mapping[str, str]
    borrowed: aiohttp.ClientSession | None = field(validator=_is_client)
    concurrency: int
    timeout: float
    retry: RetryPolicy
    max_page_bytes: int
    on_attempt: AttemptHook | None
    tally: RequestCounters = field(factory=RequestCounters, init=False)
    budget: Budget = field(factory=Budget, init=False)
    closed: bool = field(default=False, init=False)
    _binding: _Binding | None = field(default=None, init=False)
    _under_way: dict[asyncio.Timeout, asyncio.Future[None]] = field(factory=dict, init=False)

    async def fetch(
        self,
        params: Iterable[tuple[str, str]],
        decode: Callable[[bytes], Awaitable[T]],
        *,
        request: Request,
        counters: RequestCounters,
    ) -> T:
        """Send a GET until it is answered with a body that can be decoded, or retries are exhausted.

        Args:
            params: Query parameters, not yet encoded.
            decode: Called with the body of a 200; a retryable error that it raises is retried.
            request: Describes the request in messages, logs and `Attempt`.
            counters: Counts the request, beside the transport's own; the limiter is fair between counters.

        Raises:
            PiriodError: The request failed; see `errors`.
        """
        binding = await self._bind()
        url = self.url.with_query(list(params))
        headers = {name: value for name, value in _POLITENESS.items() if name not in binding.client.headers}
        headers |= {**self.credentials, "x-simple-workspace": request.workspace}

        async def send(attempt: int) -> bytes:
            for each in (self.tally, counters):
                each.requests += 1
                each.retries += attempt > 1
            body = await self._send(binding, url, headers, request, attempt)
            self.tally.bytes += len(body)
            return body

        async with self._until_closed():
            return await binding.retrier.fetch(send, decode, request=request, whose=counters)

    @property
    def gate(self) -> Gate | None:
        """The gate of the event loop used last."""
        return self._binding.retrier.gate if self._binding else None

    async def close(self) -> None:
        """End what is under way with an error, and close what is ours. Again is harmless."""
        if not self.closed:
            self.closed = True
            for scope in self._under_way:
                scope.reschedule(0)
        if self._under_way:
            await asyncio.wait(self._under_way.values())
        if self._binding and not self.borrowed:
            await self._binding.client.close()

    async def _bind(self) -> _Binding:
        """Return what belongs to the running loop, made on its first request: a session may outlive a loop."""
        loop = asyncio.get_running_loop()
        if self.closed:
            raise APIConnectionError("the session is closed")
        if self.borrowed and self.borrowed.closed:
            raise ConfigurationError("client_session is closed: keep it open for as long as this session is used")
        if self.borrowed and self.borrowed._loop is not loop:  # noqa: SLF001 (its own `loop` warns)
            raise ConfigurationError("client_session belongs to another event loop: make a PiriodSession for each")
        if self._binding is None or self._binding.loop is not loop:
            if self._binding and self._binding.loop.is_running():
                raise ConfigurationError("this session is in use on another event loop: make a PiriodSession for each")
            proxy = proxy_options(self.url) if self.borrowed is None else {}
            client = self.borrowed or await open_client_session(self.concurrency)
            gate = Gate(self._room(client), self.retry.sleep)
            retrier = Retrier(self.retry, gate, self.budget, self.on_attempt)
            self._binding = _Binding(loop, client, proxy, retrier)
        return self._binding

    def _room(self, client: aiohttp.ClientSession) -> int:
        """Return how many requests may be under way: those waiting for a connection would eat their timeout."""
        limits = (client.connector.limit, client.connector.limit_per_host) if client.connector else ()
        return min([self.concurrency, *(limit for limit in limits if limit)])

    @asynccontextmanager
    async def _until_closed(self) -> AsyncIterator[None]:
        scope = asyncio.timeout(None)
        try:
            async with scope:
                self._under_way[scope] = asyncio.get_running_loop().create_future()
                yield
        except TimeoutError:
            if not scope.expired():
                raise
            raise APIConnectionError("the session was closed while a request was under way") from None
        finally:
            self._under_way.pop(scope).set_result(None)

    async def _send(
        self, binding: _Binding, url: URL, headers: Mapping[str, str], request: Request, attempt: int
    ) -> bytes:
        """Send one attempt, and give back the body of a 200."""
        started = time.monotonic()
        try:
            async with (
                asyncio.timeout(self.timeout),
                binding.client.get(
                    url,
                    headers=headers,
                    timeout=_NO_TIMEOUT,
                    allow_redirects=False,
                    raise_for_status=False,
                    **binding.proxy,
                ) as response,
            ):
                body = await self._read(response, request)
        except TimeoutError as error:
            message = f"{request}: no whole answer within {self.timeout:g} s"
            raise APITimeoutError(message, retryable=True) from error
        except (aiohttp.ClientError, OSError) as error:
            retryable = not isinstance(error, ssl.SSLCertVerificationError | aiohttp.ServerFingerprintMismatch)
            raise APIConnectionError(f"{request}: {_what(error)}", retryable=retryable) from error
        except ValueError as error:
            if "AUTHORIZATION" not in str(error):
                raise
            message = f"{request}: client_session has an auth= of its own, or finds one in a netrc: {error}"
            raise ConfigurationError(message) from error
        except RuntimeError as error:
            if not binding.client.closed:
                raise
            raise APIConnectionError(f"{request}: client_session was closed by its owner") from error
        logger.debug("%s: %d at attempt %d, %.3f s", request, response.status, attempt, time.monotonic() - started)
        if response.status == HTTPStatus.OK:
            return body
        location = response.headers.get("Location")
        raise error_from_response(
            response.status,
            body,
            request=f"{request} was redirected to {location}" if location else str(request),
            reason=response.reason or "",
            request_id=next((response.headers[name] for name in _REQUEST_IDS if name in response.headers), None),
            retry_after=parse_retry_after(response.headers),
        )

    async def _read(self, response: aiohttp.ClientResponse, request: Request) -> bytes:
        """Read the body, but no more than is allowed: inflated, a small one may be endless.

        Of an answer other than 200, what came of the body will do: the status is what counts.
        """
        chunks, size = [], 0
        try:
            async for chunk in response.content.iter_any():
                chunks.append(chunk)
                size += len(chunk)
                if size > self.max_page_bytes:
                    break
        except (aiohttp.ClientError, TimeoutError):
            if response.status == HTTPStatus.OK:
                raise
        if size > self.max_page_bytes and response.status == HTTPStatus.OK:
            raise DecodeError(f"{request}: the body is longer than max_page_bytes={self.max_page_bytes}")
        return b"".join(chunks)


def _what(error: Exception) -> str:
    """Say what happened; without the URL that aiohttp may add, for the filters are in its query."""
    if isinstance(error, aiohttp.ClientResponseError):
        return f"{type(error).__name__} {error.status} {error.message}"
    return str(error) or type(error).__name__
