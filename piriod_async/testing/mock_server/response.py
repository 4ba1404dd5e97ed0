"""What goes back to the client."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from attrs import frozen

JSON = "application/json"
METHODS = "GET, HEAD, OPTIONS"
HTML = "text/html; charset=utf-8"


@frozen
class Answer:
    """A response, before it is sent.

    Attributes:
        status: The HTTP status.
        body: All of the body.
        headers: Headers, ``Content-Type`` among them.
    """

    status: int
    body: bytes
    headers: Mapping[str, str]

    @classmethod
    def json(cls, status: int, value: Any, headers: Mapping[str, str] | None = None) -> "Answer":
        """An answer as the API gives it."""
        return cls(status, msgspec.json.encode(value), {"Content-Type": JSON, "Allow": METHODS, **(headers or {})})

    @classmethod
    def html(cls, status: int, headers: Mapping[str, str] | None = None) -> "Answer":
        """An answer as something in front of the API gives it."""
        title = f"{status} {phrase(status)}"
        body = f"<!doctype html>\n<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"
        return cls(status, body.encode(), {"Content-Type": HTML, **(headers or {})})


class Refusal(Exception):  # noqa: N818  an answer, not an accident
    """Ends a request, as the framework's exceptions do.

    Args:
        status: The HTTP status.
        body: A text goes out as ``{"detail": text}``, anything else as it is.
        headers: More headers.
    """

    def __init__(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, body)
        self.answer = Answer.json(status, {"detail": body} if isinstance(body, str) else body, headers)


def phrase(status: int) -> str:
    """``Service Unavailable`` for 503."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
