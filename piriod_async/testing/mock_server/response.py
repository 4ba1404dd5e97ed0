"""Responses as plain data, and the exception that ends a request with one."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from attrs import frozen

JSON = "application/json"
HTML = "text/html; charset=utf-8"
ALLOWED_METHODS = ("GET", "HEAD", "OPTIONS")


@frozen
class CannedResponse:
    """A response that can be sent any number of times.

    Attributes:
        status: HTTP status.
        body: Complete body.
        headers: Headers, `Content-Type` among them.
    """

    status: int
    body: bytes
    headers: Mapping[str, str]

    @classmethod
    def json(cls, status: int, value: Any, headers: Mapping[str, str] | None = None) -> "CannedResponse":
        """Build a response as the API sends it."""
        common = {"Content-Type": JSON, "Allow": ", ".join(ALLOWED_METHODS)}
        return cls(status, msgspec.json.encode(value), {**common, **(headers or {})})

    @classmethod
    def html(cls, status: int, headers: Mapping[str, str] | None = None) -> "CannedResponse":
        """Build a response as a proxy in front of the API sends it."""
        title = f"{status} {phrase(status)}"
        body = f"<!doctype html>\n<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"
        return cls(status, body.encode(), {"Content-Type": HTML, **(headers or {})})


class APIException(Exception):  # noqa: N818  REST Framework's name
    """Ends a request with an error response.

    Args:
        status: HTTP status.
        body: Text is sent as `{"detail": text}`, anything else as it is.
        headers: Additional headers.
    """

    def __init__(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, body)
        self.response = CannedResponse.json(status, {"detail": body} if isinstance(body, str) else body, headers)


def phrase(status: int) -> str:
    """Return the reason phrase of a status, such as `Service Unavailable` for 503."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
