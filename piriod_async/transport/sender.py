"""Sends one attempt with aiohttp, and raises its failures as `PiriodError`."""

import importlib.metadata
import logging
import ssl
import time
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
    error_from_response,
)
from piriod_async.transport.attempts import RequestInfo
from piriod_async.transport.deadline import Deadline
from piriod_async.transport.freshness import NO_CACHE, excessive_age
from piriod_async.transport.retry_after import parse_retry_after
from piriod_async.transport.single_send import DroppedConnectionError, SingleSend

logger = logging.getLogger("piriod_async")

_DEFAULT_HEADERS = {
    "Accept": "application/json",
    "User-Agent": f"piriod-async/{importlib.metadata.version('piriod-async')} aiohttp/{aiohttp.__version__}",
}
_NO_TIMEOUT = aiohttp.ClientTimeout(total=None)  # aiohttp's own loses a cancellation that arrives as it expires
_STATUSES_OF_A_LIST = (HTTPStatus.OK, HTTPStatus.NOT_FOUND)  # a 404 says that the list has no such page
_REQUEST_ID_HEADERS = ("X-Request-Id", "Request-Id", "X-Amzn-RequestId", "CF-Ray")


@frozen
class Sender:
    """Sends GET requests through one aiohttp session.

    Attributes:
        timeout: Seconds for one attempt, from connecting to the last byte of the body.
        max_page_bytes: Largest body accepted, in bytes after decompression.
    """

    client_session: aiohttp.ClientSession
    proxy_kwargs: Mapping[str, Any] = field(repr=False)  # may contain a password
    timeout: float
    max_page_bytes: int

    async def get(self, url: URL, headers: Mapping[str, str], request: RequestInfo, attempt_number: int) -> bytes:
        """Send one attempt and return the body of a 200.

        Raises:
            PiriodError: The attempt failed.
        """
        session_headers = self.client_session.headers
        defaults = {name: value for name, value in _DEFAULT_HEADERS.items() if name not in session_headers}
        single_send = SingleSend()
        started = time.monotonic()
        try:
            async with (
                Deadline(self.timeout),
                self.client_session.get(
                    url,
                    headers={**defaults, **NO_CACHE, **headers},
                    timeout=_NO_TIMEOUT,
                    allow_redirects=False,
                    raise_for_status=False,
                    middlewares=(single_send, *self.client_session._middlewares),  # noqa: SLF001 (not public)
                    **self.proxy_kwargs,
                ) as response,
            ):
                body = await self._read(response, request)
        except TimeoutError as error:
            message = f"{request}: no complete response within {self.timeout:g} s"
            raise APITimeoutError(message, retryable=True) from error
        except DroppedConnectionError as error:
            raise APIConnectionError(f"{request}: {error}", retryable=True) from error.__cause__
        except aiohttp.ClientHttpProxyError as error:
            message = f"{request}: the proxy {single_send.proxy} refused the tunnel: {_describe(error)}"
            raise APIConnectionError(message, retryable=error.status in RETRYABLE_STATUSES) from error
        except (aiohttp.ClientError, OSError) as error:
            retryable = not isinstance(error, ssl.SSLCertVerificationError | aiohttp.ServerFingerprintMismatch)
            raise APIConnectionError(f"{request}: {_describe(error)}", retryable=retryable) from error
        except ValueError as error:
            if "AUTHORIZATION" not in str(error):
                raise
            message = f"{request}: client_session has its own auth=, or finds credentials in a netrc file: {error}"
            raise ConfigurationError(message) from error
        except RuntimeError as error:
            if not self.client_session.closed:
                raise
            raise APIConnectionError(f"{request}: client_session was closed by its owner") from error
        elapsed = time.monotonic() - started
        logger.debug("%s: %d at attempt %d, %.3f s", request, response.status, attempt_number, elapsed)
        _check_response(response, body, request, single_send.proxy)
        return body

    async def _read(self, response: aiohttp.ClientResponse, request: RequestInfo) -> bytes:
        """Read the body up to `max_page_bytes`: a few compressed bytes may expand without end.

        If the status is not 200, a truncated body is good enough.
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


def _check_response(response: aiohttp.ClientResponse, body: bytes, request: RequestInfo, proxy: URL | None) -> None:
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
        description += f" was redirected to {location}"
    if response.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED and proxy:
        description += f" through the proxy {proxy}"
    raise error_from_response(
        response.status,
        body,
        request=description,
        reason=response.reason or "",
        request_id=next((response.headers[name] for name in _REQUEST_ID_HEADERS if name in response.headers), None),
        retry_after=parse_retry_after(response.headers),
    )


def _describe(error: Exception) -> str:
    """Describe an aiohttp error without its URL, whose query contains the filters."""
    if isinstance(error, aiohttp.ClientResponseError):
        return f"{type(error).__name__} {error.status} {error.message}"
    return str(error) or type(error).__name__
