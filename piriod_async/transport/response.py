"""A response that has been read."""

from collections.abc import Mapping
from functools import cache
from typing import Self

from attrs import evolve, field, frozen
from multidict import CIMultiDict
from yarl import URL

from piriod_async.response_info import ResponseInfo
from piriod_async.transport.redaction import Redactor


@frozen(kw_only=True)
class Response:
    """A response.

    Attributes:
        body: The body, decompressed: of a 200 without a byte order mark, else perhaps only its beginning.
        url: The URL of the request.
        seconds: From sending the request to the last byte.
        redactor: Takes the secrets of the request out of it.
    """

    status: int
    reason: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    url: URL = field(repr=False)
    seconds: float
    redactor: Redactor = field(repr=False)

    @property
    def info(self) -> ResponseInfo:
        """Its status, headers and duration."""
        url = str(self.url.with_query(None))
        return ResponseInfo(status=self.status, url=url, seconds=self.seconds, headers=cache(self.redacted_headers))

    def redacted(self) -> Self:
        """Return the response as messages may quote it: those are cut, which might leave the end of a secret."""
        reason, body = self.redactor.text(self.reason), self.redactor.value(self.body)
        return evolve(self, reason=reason, body=body, headers=self.redacted_headers())

    def redacted_headers(self) -> Mapping[str, str]:
        """Return the headers without secrets."""
        return CIMultiDict((name, self.redactor.text(value)) for name, value in self.headers.items())
