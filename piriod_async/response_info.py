"""The status, headers and duration of a response."""

from collections.abc import Callable, Mapping
from typing import Any

from attrs import field, frozen
from multidict import CIMultiDict, CIMultiDictProxy

_REQUEST_ID_HEADERS = ("X-Request-Id", "Request-Id", "X-Amzn-RequestId", "CF-Ray")
_COOKIE_HEADERS = ("Set-Cookie", "Set-Cookie2", "Cookie")
_Headers = Mapping[str, str] | Callable[[], Mapping[str, str]]


@frozen(kw_only=True)
class ResponseInfo:
    """A response of the API.

    Attributes:
        status: The HTTP status.
        url: The URL without the query, which has the filters.
        seconds: Seconds from sending the request to the last byte of the response.
    """

    status: int
    url: str
    seconds: float
    # a function, for few look at the headers of a page: it takes out what a server echoes of the request
    _headers: _Headers = field(alias="headers", repr=False, eq=False)

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, without cookies; names are case-insensitive."""
        headers = CIMultiDict(self._headers() if callable(self._headers) else self._headers)
        for name in _COOKIE_HEADERS:
            headers.popall(name, None)
        return CIMultiDictProxy(headers)

    @property
    def request_id(self) -> str | None:
        """Id that the server gave the request, for its support."""
        headers = self.headers
        return next((headers[name] for name in _REQUEST_ID_HEADERS if name in headers), None)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self.status, self.url, self.seconds, CIMultiDict(self.headers))


def _restore(status: int, url: str, seconds: float, headers: Mapping[str, str]) -> ResponseInfo:
    return ResponseInfo(status=status, url=url, seconds=seconds, headers=headers)
