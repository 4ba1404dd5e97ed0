"""Spans and metrics of an instrumented session."""

import asyncio
import subprocess
import sys
from contextlib import aclosing
from contextvars import copy_context

import aiohttp
import pytest
from opentelemetry import context, trace
from opentelemetry.trace import SpanKind, StatusCode
from yarl import URL

from piriod_async import APIConnectionError, PiriodError, RetryPolicy
from piriod_async.integrations.opentelemetry import DURATION_BOUNDARIES
from piriod_async.testing.mock_server import MockServer
from tests.support.tasks import until
from tests.support.telemetry import Telemetry, id_of, parent_of

pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest.fixture
def telemetry():
    return Telemetry()


async def test_span_tree(telemetry):
    """A listing is a child of the caller's span, and each attempt a child of its listing."""
    async with MockServer(450) as server, server.session() as piriod:
        telemetry.instrument(piriod)
        with telemetry.tracer.start_as_current_span("sync") as sync:
            await piriod.customers().collect()
        await piriod.customers().count()
    [first, second], attempts = telemetry.listings, telemetry.attempts
    assert parent_of(first) == id_of(sync)
    assert parent_of(second) is None
    assert [parent_of(span) for span in attempts] == [id_of(first)] * (len(server.requests) - 1) + [id_of(second)]
    assert (first.attributes["piriod.outcome"], first.attributes["piriod.customers"]) == ("complete", 450)
    assert {span.status.status_code for span in telemetry.spans} == {StatusCode.UNSET}
    assert all(first.start_time <= span.start_time <= span.end_time <= first.end_time for span in attempts[:-1])


async def test_attributes(telemetry):
    """An attempt has the attributes that the conventions require of an HTTP client; the URL has no query."""
    async with MockServer(3) as server, server.session() as piriod:
        telemetry.instrument(piriod)
        await piriod.customers(name="a").collect()
        url = URL(server.url)
    [listing], [attempt] = telemetry.listings, telemetry.attempts
    assert (listing.kind, attempt.kind) == (SpanKind.INTERNAL, SpanKind.CLIENT)
    assert attempt.instrumentation_scope.name == "piriod_async"
    assert dict(attempt.attributes) == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "server.address": "127.0.0.1",
        "server.port": url.port,
        "url.full": str(url / "customers/"),
        "piriod.workspace": "acc_mock",
        "piriod.page": 1,
    }


async def test_resend_counts(telemetry, clock):
    """Attempts of one request are numbered from the first repeat; a 503 has the status of an error."""
    async with MockServer(3) as server, server.session(retry=clock.policy()) as piriod:
        telemetry.instrument(piriod)
        server.fail(status=503, times=2)
        await piriod.customers().collect()
    attempts = telemetry.attempts
    assert [span.attributes.get("http.request.resend_count") for span in attempts] == [None, 1, 2]
    assert [span.attributes["http.response.status_code"] for span in attempts] == [503, 503, 200]
    assert [span.attributes.get("error.type") for span in attempts] == ["503", "503", None]
    assert [span.status.status_code for span in attempts] == [StatusCode.ERROR, StatusCode.ERROR, StatusCode.UNSET]
    assert telemetry.total("piriod.client.retries") == 2


@pytest.mark.parametrize(
    ("fault", "options", "kind", "status"),
    [
        ({"stall": True}, {"timeout": 0.05}, "APITimeoutError", None),
        ({"stall": True}, {"retry": RetryPolicy(max_elapsed=0.05)}, "APITimeoutError", None),
        ({"disconnect": "headers"}, {}, "APIConnectionError", None),
        ({"disconnect": "body"}, {}, "APIConnectionError", None),
        ({"garbage": "html"}, {}, "DecodeError", 200),
        ({"status": 403}, {}, "403", 403),
    ],
    ids=str,
)
async def test_errors(telemetry, fault, options, kind, status):
    """The type of the error is that of the exception, or the status, on the attempt, its listing and the metric."""
    options = {"retry": RetryPolicy(attempts=1)} | options
    async with MockServer(3) as server, server.session(**options) as piriod:
        telemetry.instrument(piriod)
        server.fail(**fault, times=None)
        with pytest.raises(PiriodError) as caught:
            await piriod.customers().collect()
    [listing], [attempt] = telemetry.listings, telemetry.attempts
    assert attempt.attributes["error.type"] == kind
    assert attempt.attributes.get("http.response.status_code") == status
    assert listing.attributes["error.type"] == listing.attributes["piriod.outcome"] == type(caught.value).__name__
    assert {span.status.status_code for span in (listing, attempt)} == {StatusCode.ERROR}
    assert not [span for span in (listing, attempt) if span.events or span.status.description]
    [point] = telemetry.points("http.client.request.duration")
    assert point.attributes["error.type"] == kind


async def test_left_listing(telemetry):
    """A listing that is left ends its span, and those of the attempts that are cancelled; neither is an error."""
    async with MockServer(2_000, latency=0.005) as server, server.session() as piriod:
        telemetry.instrument(piriod)
        async with aclosing(piriod.customers(ordering=None).pages()) as pages:
            delivered = 0
            async for page in pages:
                delivered += len(page.customers)
                if pending := piriod.stats.in_flight:
                    break
    [listing], attempts = telemetry.listings, telemetry.attempts
    cancelled = [span for span in attempts if span.attributes.get("error.type") == "CancelledError"]
    assert len(attempts) == piriod.stats.requests
    assert len(cancelled) >= pending  # some may have a response, and wait to decode it
    assert (listing.attributes["piriod.outcome"], listing.attributes["piriod.customers"]) == ("left", delivered)
    assert {span.status.status_code for span in telemetry.spans} == {StatusCode.UNSET}
    assert telemetry.total("piriod.client.customers") == delivered


async def test_cancelled_task(telemetry):
    """A task that is cancelled while it waits for a response ends all its spans."""
    async with MockServer(3) as server, server.session() as piriod:
        telemetry.instrument(piriod)
        server.fail(stall=True, times=None)
        for read in (piriod.customers().collect, piriod.customers().count):
            task = asyncio.create_task(read())
            await until(lambda: piriod.stats.in_flight)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
    assert [span.attributes["piriod.outcome"] for span in telemetry.listings] == ["CancelledError"] * 2
    assert [span.attributes["error.type"] for span in telemetry.attempts] == ["CancelledError"] * 2


async def test_closed_session(telemetry):
    """Closing the session ends the spans of its listings with the error that they raise."""
    async with MockServer(3) as server, server.session() as piriod:
        telemetry.instrument(piriod)
        server.fail(stall=True, times=None)
        task = asyncio.create_task(piriod.customers().collect())
        await until(lambda: piriod.stats.in_flight)
        await piriod.close()
        with pytest.raises(APIConnectionError):
            await task
    assert [span.attributes["error.type"] for span in telemetry.listings] == ["APIConnectionError"]
    assert len(telemetry.attempts) == 1


async def test_context_between_customers(telemetry):
    """The loop body has the caller's span as the current one; its own spans become no parent of an attempt."""
    async with MockServer(450) as server, server.session() as piriod:
        telemetry.instrument(piriod)
        with telemetry.tracer.start_as_current_span("sync") as sync:
            async for customer in piriod.customers():
                assert trace.get_current_span() is sync
                with telemetry.tracer.start_as_current_span(customer.id):
                    await asyncio.sleep(0)
            assert trace.get_current_span() is sync
    [listing] = telemetry.listings
    assert {parent_of(span) for span in telemetry.attempts} == {id_of(listing)}
    assert len(telemetry.attempts) == len(server.requests)


async def test_concurrent_listings(telemetry):
    """Attempts that run concurrently are children of their own listing, also if one task reads two listings."""
    async with MockServer({"acc_1": 500, "acc_2": 500}) as server, server.session() as piriod:
        telemetry.instrument(piriod)
        first, second = (aiter(piriod.customers(workspace=workspace)) for workspace in ("acc_1", "acc_2"))
        async with aclosing(first), aclosing(second):
            for _ in range(500):
                await anext(first)
                await anext(second)
    workspaces = {id_of(span): span.attributes["piriod.workspace"] for span in telemetry.listings}
    assert sorted(workspaces.values()) == ["acc_1", "acc_2"]
    assert all(workspaces[parent_of(span)] == span.attributes["piriod.workspace"] for span in telemetry.attempts)
    assert len(telemetry.attempts) == len(server.requests)


async def test_across(telemetry):
    """Each workspace has a span in the caller's, one that fails too, and a session with its own token."""
    workspaces = {"acc_1": 250, "acc_2": 3, "acc_3": 3}
    async with MockServer(workspaces) as server, server.session() as piriod:
        other = piriod.with_options(token="another", workspace="acc_3")
        telemetry.instrument(piriod)
        with telemetry.tracer.start_as_current_span("sync") as sync:
            listing = piriod.across(["acc_1", "acc_2", other], on_error="collect")
            customers = await listing.collect()
    outcomes = {span.attributes["piriod.workspace"]: span.attributes["piriod.outcome"] for span in telemetry.listings}
    assert outcomes == {"acc_1": "complete", "acc_2": "complete", "acc_3": "AuthenticationError"}
    assert list(customers) == ["acc_1", "acc_2"]
    assert {parent_of(span) for span in telemetry.listings} == {id_of(sync)}
    assert telemetry.total("piriod.client.customers") == 253
    assert len(telemetry.attempts) == len(server.requests)


async def test_current_span_of_an_attempt(telemetry):
    """While a request is sent, its span is the current one, so that traces of aiohttp become its children."""
    current = []

    async def on_request_start(*_):
        current.append(id_of(trace.get_current_span()))

    config = aiohttp.TraceConfig()
    config.on_request_start.append(on_request_start)
    async with (
        MockServer(450) as server,
        aiohttp.ClientSession(trace_configs=[config]) as client_session,
        server.session(client_session=client_session) as piriod,
    ):
        telemetry.instrument(piriod)
        await piriod.customers().count()
        await piriod.customers().collect()
    assert sorted(current) == sorted(id_of(span) for span in telemetry.attempts)
    assert not context.get_current()


async def test_derived_sessions(telemetry):
    """Sessions that share connections are instrumented together, once."""
    async with MockServer(3) as server, server.session() as piriod:
        before = piriod.with_options(timeout=3)
        telemetry.instrument(piriod)
        telemetry.instrument(piriod)
        after = piriod.with_options(timeout=4)
        telemetry.instrument(after)
        for session in (before, piriod, after):
            await session.customers().first()
        await piriod.check()
    assert len(telemetry.listings) == len(telemetry.attempts) == 4
    assert telemetry.total("piriod.client.customers") == 3


async def test_durations(telemetry):
    """The duration of each attempt is in a histogram with the boundaries and attributes of the conventions."""
    async with MockServer(450) as server, server.session() as piriod:
        telemetry.instrument(piriod)
        await piriod.customers().collect()
        port = URL(server.url).port
    [point] = telemetry.points("http.client.request.duration")
    assert point.count == len(server.requests)
    assert point.explicit_bounds == DURATION_BOUNDARIES
    assert dict(point.attributes) == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "server.address": "127.0.0.1",
        "server.port": port,
    }
    seconds = sum(span.end_time - span.start_time for span in telemetry.attempts) / 1e9
    assert point.sum == pytest.approx(seconds, abs=1e-3)


@pytest.mark.usefixtures("max_jitter")
async def test_pause(telemetry, clock):
    """A pause of the limiter counts once, however many requests it holds back; the backoff of a request does not."""
    async with MockServer(450) as server, server.session(retry=clock.policy()) as piriod:
        telemetry.instrument(piriod)
        server.fail(status=500, page=1)
        server.fail(status=429, retry_after=30, page=3)
        await piriod.customers(ordering=None).collect()
    assert 30 <= telemetry.total("piriod.client.limiter.wait_time") == pytest.approx(sum(clock.sleeps) - 0.5)
    assert telemetry.total("piriod.client.retries") == 2


async def test_cap(telemetry, clock):
    """The time in which a cap held back all requests is measured."""
    async with MockServer(450) as server, server.session(retry=clock.policy(), requests_per_second=2) as piriod:
        telemetry.instrument(piriod)
        await piriod.customers().collect()
    assert telemetry.total("piriod.client.limiter.wait_time") == pytest.approx(clock.now - 1_000)
    assert clock.now - 1_000 >= (len(server.requests) - 1) / 2


async def test_cancelled_wait(telemetry, clock):
    """A wait that is cut short counts too, and makes no span of an attempt that is not sent."""
    waiting = asyncio.Event()

    async def on_sleep():
        waiting.set()
        await asyncio.Event().wait()

    async with MockServer(3) as server, server.session(retry=clock.policy(), requests_per_second=0.1) as piriod:
        telemetry.instrument(piriod)
        await piriod.customers().count()
        clock.on_sleep = on_sleep
        task = asyncio.create_task(piriod.customers().count())
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert telemetry.total("piriod.client.limiter.wait_time") == pytest.approx(10)
    assert len(telemetry.listings) == 2
    assert len(telemetry.attempts) == 1


async def test_renewed_token(telemetry, caplog):
    """An attempt that is refused with an old token, and its repeat, have a span each, and a line of the log between."""
    caplog.set_level("INFO", "piriod_async")
    tokens = ["old", "new"]
    async with MockServer(3, token="new") as server, server.session(token=lambda: tokens.pop(0)) as piriod:
        telemetry.instrument(piriod)
        await piriod.customers().collect()
    assert [span.attributes["http.response.status_code"] for span in telemetry.attempts] == [401, 200]
    assert telemetry.attempts[1].attributes["http.request.resend_count"] == 1
    line = "retry page=1 workspace=acc_mock attempt=1 reason=401 wait=0.00 renewed=token"
    assert caplog.records[0].getMessage() == line


async def test_destroyed_task(telemetry, caplog):
    """A coroutine that is closed with its attempt pending, in another context, ends its spans and logs nothing."""
    async with MockServer(3) as server, server.session() as piriod:
        telemetry.instrument(piriod)
        count = piriod.customers().count()
        copy_context().run(count.send, None)
        assert piriod.stats.in_flight
        count.close()
    assert [span.attributes["error.type"] for span in telemetry.attempts] == ["GeneratorExit"]
    assert {span.status.status_code for span in telemetry.spans} == {StatusCode.UNSET}
    assert len(telemetry.listings) == 1
    assert not [record for record in caplog.records if record.name.startswith("opentelemetry")]


API_ALONE = """
import asyncio, sys
sys.modules["opentelemetry.sdk"] = None
from opentelemetry import trace
from piriod_async.integrations.opentelemetry import instrument
from piriod_async.testing import MockServer

async def main():
    async with MockServer(250) as server, server.session() as piriod:
        instrument(piriod)
        current = []
        await piriod.with_options(on_attempt=lambda _: current.append(trace.get_current_span())).customers().collect()
        assert current and not any(span.is_recording() for span in current)

asyncio.run(main())
"""
NOT_INSTALLED = """
import sys
sys.modules["opentelemetry"] = None
import piriod_async.integrations.opentelemetry
"""


def test_api_alone():
    """Without an SDK, everything works and nothing is recorded."""
    subprocess.run([sys.executable, "-W", "error", "-c", API_ALONE], check=True)


def test_not_installed():
    """Without the API, the error says what to install."""
    done = subprocess.run([sys.executable, "-c", NOT_INSTALLED], capture_output=True, text=True, check=False)
    assert "pip install 'piriod-async[opentelemetry]'" in done.stderr
