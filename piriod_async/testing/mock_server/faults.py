"""What goes wrong on request."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Final, Literal

from attrs import define

from piriod_async.testing.mock_server.rate_limit import RateLimit
from piriod_async.testing.mock_server.recorded_request import RecordedRequest
from piriod_async.testing.mock_server.response import HTML, JSON, Answer, phrase
from piriod_async.testing.mock_server.truncation import Cut

GARBAGE: Final = {
    "html": Answer(200, b"<!doctype html>\n<title>Bienvenido</title><h1>Portal cautivo</h1>\n", {"Content-Type": HTML}),
    "json": Answer(200, b'{"count": 3, "next": null, "results": [{"id": }]}', {"Content-Type": JSON}),
}


@define
class Fault:
    """What to do to some requests instead of answering them well.

    Attributes:
        answer: What to say instead; None for what is true.
        cut: Where the answer ends before its time; None if it does not.
        times: How often it is still to happen; None for ever.
        page: Only to requests for this page.
        workspace: Only to requests for this workspace.
    """

    answer: Answer | None
    cut: Cut | None
    times: int | None
    page: int | None
    workspace: str | None


class Faults:
    """Faults that wait for their request, and the rate limit."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._limit: RateLimit | None = None

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
        """Let requests fail, in one way: with a ``status``, ``garbage``, ``disconnect``, ``truncate`` or ``stall``.

        Faults come before authentication, as those of a proxy do. Of several that fit, the oldest is used up first.

        Args:
            status: Answer with this status; 200 if there is only a ``body``.
            body: What to answer; by default ``{"detail": …}``, or a page of ``html``.
            html: Answer with a page of HTML, as a proxy would.
            headers: More headers for the answer.
            retry_after: The ``Retry-After`` header of the answer: seconds, or an aware moment.
            garbage: Answer with status 200, and HTML or broken JSON.
            disconnect: Reset the connection before the headers or in the middle of the body.
            truncate: Send half of the body, then close before the promised ``length``; or promise half the ``json``.
            stall: Send headers and half of the body, then nothing until the client goes or the sandbox stops.
            times: How often; None for ever.
            page: Only to requests for this page (one that names no page asks for 1).
            workspace: Only to requests for this workspace.

        Raises:
            ValueError: If that is not exactly one way to fail.
        """
        answers = status is not None or body is not None
        if sum(map(bool, (answers, garbage, disconnect, truncate, stall))) != 1:
            raise ValueError("a fault is one of status (or body), garbage, disconnect, truncate, stall")
        if not answers and (html or headers or retry_after is not None):
            raise ValueError("html, headers and retry_after go with a status or a body")
        answer = GARBAGE[garbage] if garbage else None
        if answers:
            more = {**(headers or {}), **({} if retry_after is None else {"Retry-After": _retry_after(retry_after)})}
            answer = _answer(200 if status is None else status, body, more, html=html)
        cut: Cut | None = "stall" if stall else disconnect or truncate
        self._faults.append(Fault(answer, cut, times, page, workspace))

    def heal(self) -> None:
        """Take away all faults that are still to happen."""
        self._faults.clear()

    def limit(self, rate: float | None) -> None:
        """Answer 429 to what goes beyond a rate.

        Args:
            rate: Requests per second; 0.5 is one in two seconds. None lifts the limit.
        """
        self._limit = None if rate is None else RateLimit(rate)

    def _fault_for(self, request: RecordedRequest) -> Fault | None:
        """The fault that is to happen to a request, once less from now on."""
        for fault in self._faults:
            if fault.page in (None, request.page) and fault.workspace in (None, request.workspace):
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times == 0:
                        self._faults.remove(fault)
                return fault
        return None


def _answer(status: int, body: bytes | None, headers: Mapping[str, str], *, html: bool) -> Answer:
    if body is not None:
        return Answer(status, body, {"Content-Type": HTML if html else JSON, **headers})
    return Answer.html(status, headers) if html else Answer.json(status, {"detail": phrase(status)}, headers)


def _retry_after(when: float | datetime) -> str:
    return format_datetime(when.astimezone(UTC), usegmt=True) if isinstance(when, datetime) else f"{when:g}"
