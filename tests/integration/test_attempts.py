"""What an observer sees of every attempt, and what OpenTelemetry makes of it."""

import asyncio
import time

import pytest
from blockbuster import BlockingError
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from piriod_async import (
    APIConnectionError,
    APITimeoutError,
    ConfigurationError,
    DecodeError,
    PiriodSession,
    RetryPolicy,
    ServerError,
)
from piriod_async.testing.mock_server import MockServer
from piriod_async.transport.attempts import Request
from piriod_async.transport.limiter import Gate
from piriod_async.transport.retry import Retrier
from piriod_async.transport.retry_budget import Budget

pytestmark = pytest.mark.usefixtures("no_leaks")


async def test_every_attempt_is_seen(clock):
    seen = []
    async with MockServer(250) as sandbox, sandbox.session(retry=clock.policy(), on_attempt=seen.append) as piriod:
        sandbox.fail(status=500, page=2, times=2)
        await piriod.customers(ordering=None).collect()
        assert len(seen) == len(sandbox.requests) == piriod.stats.requests == 5
    assert {(attempt.method, attempt.workspace) for attempt in seen} == {("GET", "acc_sandbox")}
    assert [(attempt.page, attempt.retry, attempt.status) for attempt in sorted(seen, key=lambda each: each.page)] == [
        (1, 0, 200),
        (2, 0, 500),
        (2, 1, 500),
        (2, 2, 200),
        (3, 0, 200),
    ]
    for attempt in seen:
        assert (attempt.error is None) == (attempt.wait is None) == (attempt.status == 200)
        assert attempt.seconds >= 0
        assert 0 <= (attempt.wait or 0) <= 1


@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [
        ({"status": 503}, 503, ServerError),
        ({"disconnect": "body"}, None, APIConnectionError),
        ({"garbage": "html"}, 200, DecodeError),
    ],
)
async def test_the_last_attempt_is_seen_to_be_the_last(clock, fault, status, kind):
    seen = []
    async with MockServer(3) as sandbox:
        sandbox.fail(**fault, times=None)
        async with sandbox.session(retry=clock.policy(attempts=3), on_attempt=seen.append) as piriod:
            with pytest.raises(kind) as caught:
                await piriod.customers().count()
    assert [(attempt.retry, attempt.status) for attempt in seen] == [(0, status), (1, status), (2, status)]
    assert [attempt.wait is None for attempt in seen] == [False, False, True]
    assert seen[-1].error is caught.value


async def test_a_pause_of_the_session_is_a_wait(clock):
    seen = []
    async with MockServer(3) as sandbox, sandbox.session(retry=clock.policy(), on_attempt=seen.append) as piriod:
        sandbox.fail(status=429, retry_after=30)
        await piriod.customers().count()
    assert [attempt.status for attempt in seen] == [429, 200]
    assert 30 <= seen[0].wait <= 30.5


async def test_max_elapsed_ends_an_attempt_that_is_seen():
    seen = []
    async with MockServer(3, latency=30) as sandbox:
        retry = RetryPolicy(max_elapsed=0.05)
        async with sandbox.session(retry=retry, on_attempt=seen.append) as piriod:
            with pytest.raises(APIConnectionError, match="max_elapsed"):
                await piriod.customers().count()
    assert [(attempt.status, attempt.wait) for attempt in seen] == [(None, None)]


async def test_what_was_not_sent_is_not_seen():
    """Its time was up while it waited at the gate to be sent again."""
    seen, gate = [], Gate(1, asyncio.sleep)

    async def send(_):
        raise APIConnectionError("reset by peer", retryable=True)

    async def sleep(_):
        await gate.enter("another")

    retrier = Retrier(RetryPolicy(max_elapsed=0.2, initial=0, sleep=sleep), gate, Budget(), seen.append)
    with pytest.raises(APITimeoutError, match="max_elapsed") as caught:
        await retrier.fetch(send, None, request=Request(page=1, workspace="acc"), whose=None)
    assert caught.value.attempts == 1
    assert isinstance(caught.value.__cause__, APIConnectionError)
    assert [(attempt.retry, attempt.error.retryable) for attempt in seen] == [(0, True)]


async def test_what_an_observer_raises_ends_the_request():
    def fail(_):
        raise TimeoutError("of the observer's own")

    async with MockServer(3) as sandbox, sandbox.session(on_attempt=fail) as piriod:
        with pytest.raises(TimeoutError, match="of the observer's own"):
            await piriod.customers().count()
        assert piriod.stats.in_flight == 0


async def test_an_observer_that_blocks_is_caught():
    """The whole suite runs with blockbuster, and here it bites."""
    async with MockServer(3) as sandbox, sandbox.session(on_attempt=lambda _: time.sleep(0.001)) as piriod:
        with pytest.raises(BlockingError, match="sleep"):
            await piriod.customers().count()


def test_an_observer_is_a_function():
    with pytest.raises(ConfigurationError, match="on_attempt='log': expected a function, not async, or None"):
        PiriodSession("token", on_attempt="log")

    async def log(_):
        pass

    with pytest.raises(ConfigurationError, match="expected a function, not async, or None"):
        PiriodSession("token", on_attempt=log)


async def test_a_span_for_every_request(clock):
    """The README's example, and what comes of it."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("billing-sync")

    def trace(attempt):
        started = int(attempt.started * 1e9)
        span = tracer.start_span(
            f"{attempt.method} /customers/",
            start_time=started,
            attributes={
                "piriod.workspace": attempt.workspace,
                "piriod.page": attempt.page,
                "http.response.status_code": attempt.status or 0,
                "http.request.resend_count": attempt.retry,
            },
        )
        if attempt.error:
            span.record_exception(attempt.error)
        span.end(started + int(attempt.seconds * 1e9))

    async with MockServer(250) as sandbox, sandbox.session(retry=clock.policy(), on_attempt=trace) as piriod:
        sandbox.fail(status=500)
        with tracer.start_as_current_span("sync") as sync:
            await piriod.customers(ordering=None).collect()
    *spans, parent = exporter.get_finished_spans()
    assert len(spans) == len(sandbox.requests) == 4
    assert parent.context.span_id == sync.get_span_context().span_id
    assert {span.parent.span_id for span in spans} == {parent.context.span_id}
    assert sorted(span.attributes["http.response.status_code"] for span in spans) == [200, 200, 200, 500]
    assert all(parent.start_time - 1e6 <= span.start_time <= span.end_time for span in spans)
    assert [event.name for span in spans for event in span.events] == ["exception"]
