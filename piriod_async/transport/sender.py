"""Sends one attempt with aiohttp, and raises its failures as `PiriodError`."""

import logging
import ssl
import sys
import time
from codecs import BOM_UTF8
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import aiohttp
from attrs import field, frozen
from yarl import URL

from piriod_async.errors import (
    RETRYABLE_STATUSES,
    APIConnectionError,
    APITimeoutError,
    ConfigurationError,
    DecodeError,
    PiriodError,
    error_from_response,
)
from piriod_async.plain_text import shorten
from piriod_async.transport.attempts import RequestInfo
from piriod_async.transport.auth import Secret, reveal_headers
from piriod_async.transport.body import BodyTooLongError, read_body
from piriod_async.transport.deadline import Deadline
from piriod_async.transport.freshness import NO_CACHE, excessive_age
from piriod_async.transport.redaction import Redactor, clear_aiohttp_frames
from piriod_async.transport.response import Response
from piriod_async.transport.retry_after import parse_retry_after
from piriod_async.transport.single_send import DroppedConnectionError, SingleSend
from piriod_async.version import VERSION

logger = logging.getLogger("piriod_async")

_DEFAULT_HEADERS = {
    "Accept": "application/json",
    "User-Agent": f"piriod-async/{VERSION} aiohttp/{aiohttp.__version__}",
}
_NO_TIMEOUT = aiohttp.ClientTimeout(total=None)  # aiohttp's own loses a cancellation that arrives as it expires
_STATUSES_OF_A_LIST = (HTTPStatus.OK, HTTPStatus.NOT_FOUND)  # a 404 says that the list has no such page
_MAX_SHOWN_URL = 300  # characters


@frozen
class Sender:
    """Sends GET requests through one aiohttp session.

    Attributes:
        timeout: Seconds for one attempt, from connecting to the last byte of the body.
        max_page_bytes: Largest body accepted, in bytes after decompression.
        redactor: Takes the token, and the login of the proxy, out of errors.
    """

    client_session: aiohttp.ClientSession
    proxy_kwargs: Mapping[str, Any] = field(repr=False)
    timeout: float
    max_page_bytes: int
    redactor: Redactor

    async def get(
        self, url: URL, headers: Mapping[str, str | Secret], request: RequestInfo, attempt_number: int
    ) -> Response:
        """Send one attempt and return a response of status 200.

        Raises:
            PiriodError: The attempt failed. Neither it nor its cause has a secret, nor aiohttp's local variables.
        """
        single_send = SingleSend()
        handled, started = sys.exception(), time.monotonic()
        try:
            response = await self._exchange(url, headers, single_send)
        except BaseException as error:
            failure = self._failure(error, request, single_send.proxy)
            name, seconds = type(failure or error).__name__, time.monotonic() - started
            message = "attempt page=%d workspace=%s attempt=%d error=%s seconds=%.3f"
            logger.debug(message, request.page, request.workspace, attempt_number, name, seconds)
            if failure is None:  # cancelled, or a bug
                clear_aiohttp_frames(error, handled)
                raise
            cause = self.redactor.error(error, handled)
            raise failure from (cause.__cause__ if isinstance(cause, DroppedConnectionError) else cause)
        logger.debug(
            "attempt page=%d workspace=%s attempt=%d status=%d seconds=%.3f bytes=%d",
            request.page,
            request.workspace,
            attempt_number,
            response.status,
            response.seconds,
            len(response.body),
        )
        if response.status != HTTPStatus.OK:
            response = response.redacted()
        _check(response, request, single_send.proxy)
        return response

    async def _exchange(self, url: URL, headers: Mapping[str, str | Secret], single_send: SingleSend) -> Response:
        started = time.monotonic()
        session_headers = self.client_session.headers
        defaults = {name: value for name, value in _DEFAULT_HEADERS.items() if name not in session_headers}
        async with (
            Deadline(self.timeout),
            self.client_session.get(
                url,
                headers=reveal_headers({**defaults, **NO_CACHE, **headers}),
                timeout=_NO_TIMEOUT,
                allow_redirects=False,
                raise_for_status=False,
                middlewares=(single_send, *self.client_session._middlewares),  # noqa: SLF001 (not public)
                **self._proxy_kwargs(),
            ) as response,
        ):
            body = await read_body(response, self.max_page_bytes)
            if response.status == HTTPStatus.OK:
                body = body.removeprefix(BOM_UTF8)
            return Response(
                status=response.status,
                reason=response.reason or "",
                headers=response.headers,
                body=body,
                url=url,
                seconds=time.monotonic() - started,
                redactor=self.redactor,
            )

    def _proxy_kwargs(self) -> Mapping[str, Any]:
        if "proxy_headers" not in self.proxy_kwargs:
            return self.proxy_kwargs
        return {**self.proxy_kwargs, "proxy_headers": reveal_headers(self.proxy_kwargs["proxy_headers"])}

    def _failure(  # noqa: PLR0911 (one for each kind of error)
        self, error: BaseException, request: RequestInfo, proxy: URL | None
    ) -> PiriodError | None:
        """Return the error to raise for one of aiohttp; None if that is not about the request."""
        if isinstance(error, BodyTooLongError):
            return DecodeError(f"{request}: the body is longer than max_page_bytes={self.max_page_bytes}")
        if isinstance(error, TimeoutError):
            message = f"{request}: no complete response within {self.timeout:g} s"
            return APITimeoutError(message, retryable=True)
        if isinstance(error, aiohttp.ClientHttpProxyError):
            message = f"{request}: the proxy {proxy} refused the tunnel: {self.redactor.text(_describe(error))}"
            return APIConnectionError(message, retryable=error.status in RETRYABLE_STATUSES)
        if isinstance(error, aiohttp.ClientError | OSError):
            retryable = not isinstance(error, ssl.SSLCertVerificationError | aiohttp.ServerFingerprintMismatch)
            return APIConnectionError(f"{request}: {self.redactor.text(_describe(error))}", retryable=retryable)
        if isinstance(error, ValueError) and "AUTHORIZATION" in str(error):
            message = f"{request}: client_session has its own auth=, or finds credentials in a netrc file: {error}"
            return ConfigurationError(message)
        if isinstance(error, RuntimeError) and self.client_session.closed:
            return APIConnectionError(f"{request}: client_session was closed by its owner")
        return None


def _check(response: Response, request: RequestInfo, proxy: URL | None) -> None:
    """Check that a response is of this moment, and has status 200.

    Raises:
        PiriodError: It is not, or has not.
    """
    if response.status in _STATUSES_OF_A_LIST and (age := excessive_age(response.headers)) is not None:
        message = f"{request}: the response is {age:g} s old, from a cache: expected the current list"
        raise APIConnectionError(message, retryable=True)
    if response.status == HTTPStatus.OK:
        return
    description = str(request)
    if location := response.headers.get("Location"):
        description += f" was redirected to {shorten(location, _MAX_SHOWN_URL)}"
    if response.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED and proxy:
        description += f" through the proxy {proxy}"
    info = response.info
    raise error_from_response(
        response.status,
        response.body,
        request=description,
        reason=response.reason,
        request_id=info.request_id,
        retry_after=parse_retry_after(response.headers),
        response=info,
    )


def _describe(error: Exception) -> str:
    """Describe an aiohttp error without its URL, whose query contains the filters.

    Only a proxy's refusal has a status that was sent; aiohttp gives every response that it cannot parse a 400.
    """
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"{type(error).__name__} {error.status} {error.message}"
    if isinstance(error, aiohttp.ClientResponseError):
        return f"{type(error).__name__}: {error.message}"
    return str(error) or type(error).__name__
