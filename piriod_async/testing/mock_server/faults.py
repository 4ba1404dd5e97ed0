"""Fault injection: the failures that requests can be made to meet."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from threading import Lock
from typing import Final, Literal

from attrs import define

from piriod_async.testing.mock_server.rate_limit import RateLimit
from piriod_async.testing.mock_server.recorded_request import RecordedRequest
from piriod_async.testing.mock_server.response import HTML, JSON, CannedResponse, phrase
from piriod_async.testing.mock_server.truncation import Truncation
from piriod_async.validators import check_positive_int, check_seconds

_PORTAL = b"<!doctype html>\n<title>Bienvenido</title><h1>Portal cautivo</h1>\n"
GARBAGE: Final = {
    "html": CannedResponse(200, _PORTAL, {"Content-Type": HTML}),
    "json": CannedResponse(200, b'{"count": 3, "next": null, "results": [{"id": }]}', {"Content-Type": JSON}),
}


@define
class Fault:
    """A failure, and the requests that it affects.

    Attributes:
        response: Sent instead of the list; None to send the list.
        headers: Sent with the response, or with the list.
        truncation: Where the response breaks off; None to send all of it.
        times: Number of requests still to fail; None for all.
        page: Fail only requests for this page; None for any.
        workspace: Fail only requests for this workspace; None for any.
    """

    response: CannedResponse | None
    headers: Mapping[str, str]
    truncation: Truncation | None
    times: int | None
    page: int | None
    workspace: str | None


class Faults:
    """The faults that are still to happen, and the rate limit.

    Methods can be called from any thread.
    """

    def __init__(self) -> None:
        self._faults_lock = Lock()
        self._faults: list[Fault] = []
        self._rate_limit: RateLimit | None = None

    def fail(
        self,
        *,
        status: int | None = None,
        body: bytes | None = None,
        html: bool = False,
        headers: Mapping[str, str] | None = None,
        retry_after: float | datetime | None = None,
        garbage: Literal["html", "json"] | None = None,
        disconnect: Literal["headers", "body"] | None = None,
        truncate: Literal["length", "json"] | None = None,
        stall: bool = False,
        times: int | None = 1,
        page: int | None = None,
        workspace: str | None = None,
    ) -> None:
        """Make requests fail with exactly one of a `status`, `garbage`, `disconnect`, `truncate`, `stall` or `headers`.

        Faults precede authentication, as those of a proxy do. If several match a request, the oldest is used.

        Args:
            status: Respond with this status; 200 if only a `body` is given.
            body: Response body; by default `{"detail": …}`, or a page of HTML with `html`.
            html: Respond with HTML, as a proxy does.
            headers: Additional response headers. Alone, they are sent with the list.
            retry_after: `Retry-After` header: seconds, or an aware datetime.
            garbage: Respond with status 200 and HTML, or with broken JSON.
            disconnect: Reset the connection before the headers, or in the middle of the body.
            truncate: Send half of the body: `length` closes before the promised `Content-Length`, `json` promises only
                that half.
            stall: Send headers and half of the body, then nothing until the client disconnects or the server stops.
            times: Number of requests to fail; None for all.
            page: Fail only requests for this page. A request without a page is for page 1.
            workspace: Fail only requests for this workspace.

        Raises:
            ValueError: None or several kinds of failure are given, options that do not go with the one given, or a
                value that none of them has.
        """
        _check_choice("garbage", garbage, ("html", "json"))
        _check_choice("disconnect", disconnect, ("headers", "body"))
        _check_choice("truncate", truncate, ("length", "json"))
        if status is not None and (not isinstance(status, int) or not 100 <= status <= 599):  # noqa: PLR2004
            raise ValueError(f"status={status!r}: expected an HTTP status, 100 to 599")
        if times is not None:
            check_positive_int("times", times)
        if retry_after is not None and not isinstance(retry_after, datetime):
            check_seconds("retry_after", retry_after)
        has_response = status is not None or body is not None
        has_headers_alone = bool(headers) and not has_response
        if sum(map(bool, (has_response, garbage, disconnect, truncate, stall, has_headers_alone))) != 1:
            raise ValueError("expected exactly one of status (or body), garbage, disconnect, truncate, stall, headers")
        if not has_response and (html or retry_after is not None):
            raise ValueError("html, retry_after: expected a status or a body with them")
        response = GARBAGE[garbage] if garbage else None
        if has_response:
            response = _response(200 if status is None else status, body, html=html)
        more = {**(headers or {}), **({} if retry_after is None else {"Retry-After": _retry_after(retry_after)})}
        truncation: Truncation | None = "stall" if stall else disconnect or truncate
        with self._faults_lock:
            self._faults.append(Fault(response, more, truncation, times, page, workspace))

    def clear_faults(self) -> None:
        """Discard all faults that are still to happen."""
        with self._faults_lock:
            self._faults.clear()

    def rate_limit(self, rate: float | None) -> None:
        """Respond with 429 and `Retry-After` to requests above a rate.

        Args:
            rate: Requests per second; 0.5 allows one request every two seconds. None removes the limit.
        """
        self._rate_limit = None if rate is None else RateLimit(rate)

    def _take_fault(self, request: RecordedRequest) -> Fault | None:
        """Return the oldest fault that matches a request, and count it down."""
        with self._faults_lock:
            for fault in self._faults:
                if fault.page in (None, request.page) and fault.workspace in (None, request.workspace):
                    if fault.times is not None:
                        fault.times -= 1
                        if fault.times == 0:
                            self._faults.remove(fault)
                    return fault
        return None


def _response(status: int, body: bytes | None, *, html: bool) -> CannedResponse:
    if body is not None:
        return CannedResponse(status, body, {"Content-Type": HTML if html else JSON})
    return CannedResponse.html(status) if html else CannedResponse.json(status, {"detail": phrase(status)})


def _check_choice(name: str, value: object, choices: tuple[str, str]) -> None:
    if value is not None and value not in choices:
        raise ValueError(f"{name}={value!r}: expected {choices[0]!r} or {choices[1]!r}")


def _retry_after(when: float | datetime) -> str:
    return format_datetime(when.astimezone(UTC), usegmt=True) if isinstance(when, datetime) else f"{when:g}"
