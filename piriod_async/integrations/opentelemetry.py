"""OpenTelemetry: a span for each listing, one for each attempt below it, and metrics.

```python
async with PiriodSession.from_env() as piriod:
    instrument(piriod)
```

Attempts follow the semantic conventions for HTTP clients. Spans and metrics have no token, no query, no header, no
message of an error and nothing of a customer.
"""

import asyncio
import time
from contextvars import Token
from typing import TypeAlias

from attrs import define, field, frozen
from yarl import URL

from piriod_async.errors import APIStatusError
from piriod_async.iteration_report import COMPLETE, LEFT
from piriod_async.session import PiriodSession
from piriod_async.transport.attempts import RequestInfo, status_of
from piriod_async.version import VERSION

try:
    from opentelemetry import context, metrics, trace
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "piriod_async.integrations.opentelemetry needs opentelemetry-api: pip install 'piriod-async[opentelemetry]'",
        name="opentelemetry",
    ) from error

Attributes: TypeAlias = dict[str, str | int]
DURATION_BOUNDARIES = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)  # of the conventions
_CANCELLED = asyncio.CancelledError.__name__
_ERROR = trace.Status(trace.StatusCode.ERROR)  # without a description: messages quote responses


def instrument(
    session: PiriodSession,
    *,
    tracer_provider: trace.TracerProvider | None = None,
    meter_provider: metrics.MeterProvider | None = None,
) -> None:
    """Make spans and metrics of what a session reads from now on.

    All sessions that share its connections are instrumented with it, those of `with_options`. Doing it again does
    nothing. Where opentelemetry-api is installed without an SDK, nothing is recorded.

    A listing has a span `piriod.customers` in the span that is current when it is first read; `count`, `first`, `check`
    and each workspace of `across` have one too. Below it, each attempt has a client span `GET /customers/`, which is
    current while the request is sent. One that is cancelled, as those that were prefetched for a loop that is left, has
    the `error.type` `CancelledError`, but not the status of an error.

    Metrics: `http.client.request.duration` (s), `piriod.client.retries`, `piriod.client.customers` (delivered), and
    `piriod.client.limiter.wait_time` (s), in which the rate, a pause or the cap held back all requests of a token.

    Args:
        session: The session.
        tracer_provider: Makes the spans; the global one if None.
        meter_provider: Makes the metrics; the global one if None.
    """
    connections = session._transport.connections  # noqa: SLF001
    if connections.observer is None:
        tracer = trace.get_tracer("piriod_async", VERSION, tracer_provider)
        meter = metrics.get_meter("piriod_async", VERSION, meter_provider)
        connections.observer = _Observer(tracer, _Instruments(meter))


class _Instruments:
    """The metrics."""

    def __init__(self, meter: metrics.Meter) -> None:
        self.duration = meter.create_histogram(
            "http.client.request.duration",
            "s",
            "Duration of HTTP client requests.",
            explicit_bucket_boundaries_advisory=DURATION_BOUNDARIES,
        )
        self.retries = meter.create_counter(
            "piriod.client.retries", "{request}", "Attempts that were not the first of their request."
        )
        self.customers = meter.create_counter("piriod.client.customers", "{customer}", "Customers delivered.")
        self.wait_time = meter.create_counter(
            "piriod.client.limiter.wait_time", "s", "Time in which the rate, a pause or the cap held back all requests."
        )


@frozen(eq=False)
class _Observer:
    """Instruments the sessions that share connections."""

    tracer: trace.Tracer
    instruments: _Instruments

    def listing_started(self, url: URL, workspace: str) -> "_Listing":
        parent = context.get_current()
        span = self.tracer.start_span("piriod.customers", parent, attributes={"piriod.workspace": workspace})
        server: Attributes = {"server.address": url.host or "", "server.port": url.port or 0}
        return _Listing(self, span, trace.set_span_in_context(span, parent), str(url), server)


@define(eq=False)
class _Listing:
    """The span of a listing.

    Attributes:
        span: The span.
        context: The caller's context, with this span.
        url: The URL of the requests, without the query.
        server: The attributes of all metrics.
    """

    observer: _Observer
    span: trace.Span
    context: context.Context
    url: str
    server: Attributes
    _delivered: int = field(default=0, init=False)

    def attempt_sent(self, request: RequestInfo, resend_count: int) -> "_Attempt":
        attributes: Attributes = {
            "http.request.method": request.method,
            "url.full": self.url,
            **self.server,
            "piriod.workspace": request.workspace,
            "piriod.page": request.page,
        }
        if resend_count:
            attributes["http.request.resend_count"] = resend_count
            self.observer.instruments.retries.add(1, self.server)
        started = time.time_ns()
        span = self.observer.tracer.start_span(
            f"{request.method} /customers/",
            self.context,
            kind=trace.SpanKind.CLIENT,
            attributes=attributes,
            start_time=started,
        )
        token = context.attach(trace.set_span_in_context(span, self.context))
        metric_attributes: Attributes = {"http.request.method": request.method, **self.server}
        return _Attempt(span, token, started, metric_attributes, self.observer.instruments.duration)

    def held_back(self, seconds: float) -> None:
        self.observer.instruments.wait_time.add(seconds, self.server)

    def delivered(self, customers: int) -> None:
        if customers > self._delivered:
            self.observer.instruments.customers.add(customers - self._delivered, self.server)
            self._delivered = customers

    def ended(self, outcome: str) -> None:
        self.span.set_attributes({"piriod.outcome": outcome, "piriod.customers": self._delivered})
        if outcome not in (COMPLETE, LEFT, _CANCELLED):
            self.span.set_attribute("error.type", outcome)
            self.span.set_status(_ERROR)
        self.span.end()


@define(eq=False)
class _Attempt:
    """The span of an attempt, which is the current one of its task."""

    span: trace.Span
    token: Token[context.Context]
    started: int
    metric_attributes: Attributes
    histogram: metrics.Histogram

    def ended(self, duration: float, error: BaseException | None) -> None:
        outcome: Attributes = {}
        if status := status_of(error):
            outcome["http.response.status_code"] = status
        if error:
            outcome["error.type"] = str(status) if isinstance(error, APIStatusError) else type(error).__name__
        self.span.set_attributes(outcome)
        if isinstance(error, Exception):
            self.span.set_status(_ERROR)
        self.histogram.record(duration, self.metric_attributes | outcome)
        if not isinstance(error, GeneratorExit):  # the task was destroyed, and its context with it
            context.detach(self.token)
        self.span.end(self.started + int(duration * 1e9))
