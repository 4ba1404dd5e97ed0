"""What is tried again, and how long is waited: in time that passes only by waiting."""

import asyncio
import logging
import math
import random
import ssl
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import aiohttp
import pytest

from piriod_async import (
    APIConnectionError,
    APIStatusError,
    ConfigurationError,
    DecodeError,
    PiriodError,
    PiriodSession,
    RateLimitError,
    RetryPolicy,
    ServerError,
)
from piriod_async.errors import error_from_response
from piriod_async.testing.mock_server import MockServer
from piriod_async.transport.attempts import Request
from piriod_async.transport.limiter import Gate
from piriod_async.transport.retry import Retrier
from piriod_async.transport.retry_after import parse_retry_after
from piriod_async.transport.retry_budget import Budget

pytestmark = pytest.mark.usefixtures("no_leaks")

SELF_SIGNED = Path(__file__).parents[2] / "self_signed.pem"  # openssl req -x509 -newkey ec … -days 36500
LOST = APIConnectionError("reset by peer", retryable=True)


ASKED = Request(page=3, workspace="acc_1")


async def fetch(send, decode, *, policy, gate, budget=None, observe=None):
    retrier = Retrier(policy, gate, budget or Budget(), observe)
    return await retrier.fetch(send, decode, request=ASKED, whose=None)


def failure(status, retry_after=None):
    return error_from_response(status, b"", request="GET", reason="", request_id=None, retry_after=retry_after)


class Server:
    """Fails in turn with what it was given, then answers; each attempt may take a while."""

    def __init__(self, clock, *failures, takes=0.0, bad_bodies=()):
        self.clock, self.failures, self.takes, self.bad_bodies = clock, list(failures), takes, list(bad_bodies)
        self.attempts = []

    async def send(self, attempt):
        self.attempts.append(attempt)
        self.clock.now += self.takes
        if self.failures:
            raise self.failures.pop(0)
        return b"body"

    async def decode(self, body):
        if self.bad_bodies:
            raise self.bad_bodies.pop(0)
        return body.decode()

    async def fetch(self, policy, gate=None):
        gate = gate or Gate(8, self.clock.sleep)
        return await fetch(self.send, self.decode, policy=policy, gate=gate)


@pytest.fixture
def longest(monkeypatch):
    monkeypatch.setattr(random, "uniform", lambda _, high: high)


# --- how long ---


@pytest.mark.parametrize(
    ("policy", "waits"),
    [
        ({}, [0.5, 1, 2, 4]),
        ({"attempts": 9}, [0.5, 1, 2, 4, 8, 16, 30, 30]),
        ({"attempts": 4, "initial": 0.1, "maximum": 0.15}, [0.1, 0.15, 0.15]),
        ({"initial": 3, "maximum": 1}, [1, 1, 1, 1]),
        ({"initial": 0}, [0, 0, 0, 0]),
        ({"attempts": 2}, [0.5]),
        ({"attempts": 1}, []),
    ],
)
@pytest.mark.parametrize("error", [LOST, failure(500), failure(503)], ids=["lost", "500", "503"])
@pytest.mark.usefixtures("longest")
async def test_the_longest_wait_doubles(clock, policy, waits, error):
    server = Server(clock, *[error] * 20)
    with pytest.raises(type(error)) as caught:
        await server.fetch(clock.policy(**policy))
    assert clock.naps == pytest.approx(waits)
    assert server.attempts == list(range(1, len(waits) + 2))
    assert caught.value is error
    assert error.attempts == len(server.attempts)


async def test_full_jitter_fills_its_bounds(clock):
    for _ in range(300):
        with pytest.raises(APIConnectionError):
            await Server(clock, *[LOST] * 9).fetch(clock.policy(attempts=9))
    for nth, bound in enumerate([0.5, 1, 2, 4, 8, 16, 30, 30]):
        waits = clock.naps[nth::8]
        assert 0 <= min(waits) < 0.05 * bound
        assert 0.95 * bound < max(waits) <= bound
        assert sum(waits) / len(waits) == pytest.approx(bound / 2, rel=0.2)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
@pytest.mark.usefixtures("longest")
async def test_retry_after_is_a_floor_beneath_the_jitter(clock, status):
    server = Server(clock, failure(status, 7.0), failure(status, 7.0))
    assert await server.fetch(clock.policy()) == "body"
    in_the_gate = status in (429, 503)
    assert clock.naps == pytest.approx([0, 7.5, 0, 8] if in_the_gate else [7.5, 8])


@pytest.mark.parametrize(("status", "in_the_gate"), [(429, True), (503, False), (500, False)])
@pytest.mark.usefixtures("longest")
async def test_without_retry_after_only_429_is_everybodys(clock, status, in_the_gate):
    assert await Server(clock, failure(status)).fetch(clock.policy()) == "body"
    assert clock.naps == pytest.approx([0, 0.5] if in_the_gate else [0.5])


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_who_asks_for_too_much_is_not_waited_for(clock, status):
    gate = Gate(1, clock.sleep)
    server = Server(clock, failure(status, 120.5))
    with pytest.raises(APIStatusError) as caught:
        await server.fetch(clock.policy(), gate)
    assert (caught.value.retry_after, caught.value.attempts) == (120.5, 1)
    assert clock.naps == []
    assert gate.paused_until is None
    assert await Server(clock, failure(status, 120.0)).fetch(clock.policy(), gate) == "body"
    assert 120 <= sum(clock.naps) <= 120.5


@pytest.mark.parametrize(
    ("max_elapsed", "takes", "error", "attempts"),
    [
        (7.5, 0, LOST, 5),  # waits of 0.5, 1, 2 and 4
        (7.4, 0, LOST, 4),
        (10, 3, LOST, 3),  # 3, +0.5 +3, +1 +3, and 2 more were too many
        (10.5, 3, LOST, 3),
        (12.5, 3, LOST, 4),
        (0, 0, LOST, 1),
        (20, 0, failure(429, 20), 1),  # the pause in the gate counts as a wait does
        (20.5, 0, failure(429, 20), 2),
        (20, 0, failure(500, 20), 1),
        (20.5, 0, failure(500, 20), 2),
        (None, 1e6, LOST, 9),
    ],
)
@pytest.mark.usefixtures("longest")
async def test_max_elapsed_is_never_slept_past(clock, max_elapsed, takes, error, attempts):
    server, started = Server(clock, *[error] * 20, takes=takes), clock.now
    with pytest.raises(type(error)):
        await server.fetch(clock.policy(attempts=9, max_elapsed=max_elapsed))
    assert len(server.attempts) == attempts
    assert max_elapsed is None or clock.now - started - takes <= max_elapsed


@pytest.mark.parametrize(("pause", "attempts"), [(4.9, 2), (5.1, 1)])
async def test_a_pause_by_another_counts_for_max_elapsed(clock, pause, attempts):
    gate, sent = Gate(8, clock.sleep), []

    async def send(attempt):
        sent.append(attempt)
        gate.pause(pause)
        raise LOST

    with pytest.raises(APIConnectionError):
        await fetch(send, None, policy=clock.policy(attempts=2, initial=0, max_elapsed=5), gate=gate)
    assert len(sent) == attempts
    assert sum(clock.naps) == pytest.approx(pause if attempts == 2 else 0)


async def test_queueing_does_not_count_for_max_elapsed(clock):
    gate = Gate(8, clock.sleep)
    gate.pause(100)
    server = Server(clock, LOST)
    assert await server.fetch(clock.policy(max_elapsed=5), gate) == "body"
    assert server.attempts == [1, 2]
    assert clock.naps[0] == 100


# --- Retry-After ---

NOON = datetime(2031, 5, 5, 12, tzinfo=UTC)


def http_date(when):
    return format_datetime(when, usegmt=True)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7),
        (" 7 ", 7),
        ("0.25", 0.25),
        ("0", 0),
        ("-7", 0),
        ("1e400", None),
        ("nan", None),
        ("inf", None),
        ("-inf", None),
        ("", None),
        ("soon", None),
        ("7 seconds", None),
        ("5, 7", None),
        (http_date(NOON + timedelta(seconds=90)), 90),
        (http_date(NOON - timedelta(seconds=90)), 0),
        ("Mon, 05 May 2031 12:00:07 -0000", 7),
        ("Mon, 05 May 2031 09:00:07 -0300", 7),
        ("Monday, 05-May-31 12:00:07 GMT", 7),
        ("Mon May  5 12:00:07 2031", 7),
        ("Mon, 99 May 2031 12:00:07 GMT", None),
        ("Mon, 05 May 99999999999999999999 12:00:07 GMT", None),
        ("Mon, 05 May 2031 12:00:07 +99999999999999999999", None),
    ],
)
def test_retry_after(value, seconds):
    assert parse_retry_after({"Retry-After": value, "Date": http_date(NOON)}) == seconds


@pytest.mark.parametrize("date", [None, "", "yesterday", "Mon, 05 May 99999999999999999999 12:00:07 GMT"])
def test_retry_after_by_our_own_clock(date):
    headers = {"Retry-After": http_date(datetime.now(UTC) + timedelta(seconds=90))} | ({"Date": date} if date else {})
    assert parse_retry_after(headers) == pytest.approx(89, abs=2)
    assert parse_retry_after({"Date": date} if date else {}) is None


@pytest.mark.usefixtures("longest")
async def test_a_date_counts_from_the_servers_clock(clock):
    """The server is an hour slow, and so are the dates it gives."""
    headers = {"Date": http_date(NOON), "Retry-After": http_date(NOON + timedelta(seconds=40))}
    async with MockServer(3) as sandbox, sandbox.session(retry=clock.policy()) as piriod:
        sandbox.fail(status=500, headers=headers)
        assert len(await piriod.customers().collect()) == 3
    assert clock.naps == [40.5]


@pytest.mark.parametrize(
    ("fault", "naps"),
    [
        ({"status": 429, "retry_after": 7}, [0, 7.5]),
        ({"status": 429}, [0, 0.5]),
        ({"status": 503, "retry_after": 7}, [0, 7.5]),
        ({"status": 503}, [0.5]),
        ({"status": 500, "retry_after": 7}, [7.5]),
        ({"status": 500, "headers": {"Retry-After": "later"}}, [0.5]),
        ({"status": 429, "headers": {"Retry-After": "nan"}}, [0, 0.5]),
    ],
    ids=str,
)
@pytest.mark.usefixtures("longest")
async def test_waits_over_a_socket(clock, fault, naps):
    async with MockServer(3) as sandbox, sandbox.session(retry=clock.policy()) as piriod:
        sandbox.fail(**fault)
        assert len(await piriod.customers().collect()) == 3
    assert clock.naps == pytest.approx(naps)


# --- once more, or not ---


async def test_a_first_attempt_that_succeeds_has_no_use_for_tenacity(clock, monkeypatch):
    monkeypatch.delattr("piriod_async.transport.retry.AsyncRetrying")
    assert await Server(clock).fetch(clock.policy()) == "body"
    with pytest.raises(NameError):
        await Server(clock, LOST).fetch(clock.policy())


async def test_each_request_counts_its_own_attempts(clock):
    gate = Gate(4, clock.sleep)
    servers = [Server(clock, *[failure((429, 500)[n % 2])] * (n % 5)) for n in range(40)]
    assert await asyncio.gather(*(server.fetch(clock.policy(), gate) for server in servers)) == ["body"] * 40
    assert [len(server.attempts) for server in servers] == [n % 5 + 1 for n in range(40)]


async def test_an_undecodable_body_is_asked_for_again(clock):
    server = Server(clock, LOST, bad_bodies=[DecodeError("cut", retryable=True)])
    assert await server.fetch(clock.policy()) == "body"
    assert server.attempts == [1, 2, 3]


@pytest.mark.parametrize(
    "error",
    [
        *(failure(status) for status in (204, 301, 400, 401, 402, 403, 404, 409, 501, 505)),
        failure(400, 7.0),
        DecodeError("results[17].created"),
        ConfigurationError("auth="),
        TypeError("a bug of ours"),
        TimeoutError("a bug of ours"),
        asyncio.CancelledError(),
    ],
    ids=repr,
)
@pytest.mark.parametrize("after", [0, 2])
async def test_not_tried_again(clock, error, after):
    server = Server(clock, *[LOST] * after, error)
    with pytest.raises(type(error)) as caught:
        await server.fetch(clock.policy())
    assert caught.value is error or isinstance(error, asyncio.CancelledError)
    assert len(server.attempts) == len(clock.naps) + 1 == after + 1
    if isinstance(error, PiriodError):
        assert error.attempts == after + 1


async def test_a_record_that_cannot_be_read_is_not_asked_for_again(clock):
    async with MockServer(3) as sandbox, sandbox.session(retry=clock.policy()) as piriod:
        sandbox.add(created="yesterday")
        with pytest.raises(DecodeError, match="'yesterday' is not a date-time") as caught:
            await piriod.customers(ordering=None).collect()
        assert caught.value.attempts == len(sandbox.requests) == 1
    assert clock.naps == []


@pytest.mark.parametrize(
    "place",
    [
        "decoding.page_decoder.decode_page",
        "transport.transport.error_from_response",
        "transport.transport.Transport._read",
    ],
)
@pytest.mark.parametrize("kind", [TypeError, RuntimeError])
async def test_a_bug_of_ours_is_shown_as_it_is(clock, place, kind, monkeypatch):
    def buggy(*_, **__):
        raise kind("a bug of ours")

    monkeypatch.setattr(f"piriod_async.{place}", buggy)
    async with MockServer(3) as sandbox, sandbox.session(retry=clock.policy()) as piriod:
        if place.endswith("error_from_response"):
            sandbox.fail(status=500)
        with pytest.raises(kind, match="a bug of ours"):
            await piriod.customers().collect()
        assert len(sandbox.requests) == 1
    assert clock.naps == []


@asynccontextmanager
async def tls_server():
    """Yield the base URL of a server that shows a certificate nobody signed, and what it was sent."""
    sent = []

    async def connected(reader, writer):
        sent.append(await reader.read())
        writer.close()

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(SELF_SIGNED)
    async with await asyncio.start_server(connected, "127.0.0.1", ssl=context) as server:
        yield f"https://localhost:{server.sockets[0].getsockname()[1]}", sent


async def test_a_certificate_that_nobody_signed(clock, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "localhost")
    async with (
        tls_server() as (base_url, sent),
        PiriodSession("token", "acc", base_url=base_url, retry=clock.policy()) as piriod,
    ):
        with pytest.raises(APIConnectionError, match="CERTIFICATE_VERIFY_FAILED") as caught:
            await piriod.customers().collect()
        assert isinstance(caught.value.__cause__, aiohttp.ClientConnectorCertificateError)
        assert (caught.value.attempts, caught.value.retryable) == (1, False)
    assert clock.naps == sent == []


async def test_a_certificate_other_than_the_one_pinned(clock):
    connector = aiohttp.TCPConnector(ssl=aiohttp.Fingerprint(bytes(32)))
    async with (
        tls_server() as (base_url, sent),
        aiohttp.ClientSession(connector=connector) as client,
        PiriodSession("token", "acc", base_url=base_url, client_session=client, retry=clock.policy()) as piriod,
    ):
        with pytest.raises(APIConnectionError) as caught:
            await piriod.customers().collect()
        assert isinstance(caught.value.__cause__, aiohttp.ServerFingerprintMismatch)
        assert caught.value.attempts == 1
    assert clock.naps == []
    assert b"".join(sent) == b""


async def test_waits_are_logged(clock, caplog):
    caplog.set_level(logging.INFO, "piriod_async")
    with pytest.raises(ServerError):
        await Server(clock, LOST, failure(503), failure(429, 7.0), failure(500)).fetch(clock.policy(attempts=4))
    messages = [record.getMessage().rpartition(", ")[0] for record in caplog.records]
    assert messages == [
        "GET /customers/ page 3 of acc_1: APIConnectionError at attempt 1 of 4",
        "GET /customers/ page 3 of acc_1: 503 at attempt 2 of 4",
        "GET /customers/ page 3 of acc_1: 429 at attempt 3 of 4",
    ]


# --- cancelled ---


class Held:
    """Holds up whoever comes by, for ever; but not for no time at all."""

    def __init__(self):
        self.reached = asyncio.Event()

    async def __call__(self, seconds=math.inf):
        if seconds:
            self.reached.set()
            await asyncio.Event().wait()


async def held_in(where, held, gate):
    policy = RetryPolicy(sleep=held)
    errors = {"retry": [LOST], "pause": [RateLimitError(status=429, retry_after=7.0)]}.get(where, [])

    async def send(_):
        if errors:
            raise errors.pop()
        if where == "send":
            await held()
        return b""

    async def decode(_):
        await held()

    await fetch(send, decode, policy=policy, gate=gate)


@pytest.mark.parametrize("where", ["retry", "pause", "send", "decode"])
async def test_cancelled_wherever_it_waits(where):
    held = Held()
    gate = Gate(1, held)
    task = asyncio.create_task(held_in(where, held, gate))
    await held.reached.wait()
    assert (gate._free == 0) == (where in ("pause", "send"))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert gate.in_flight == 0
    assert gate._free == 1


# --- the policy ---

SECONDS = "expected a number of seconds, 0 or more"


@pytest.mark.parametrize(
    ("options", "expectation"),
    [
        *(({"attempts": value}, "expected a whole number, 1 or more") for value in (0, -1, 1.0, "3", True, None)),
        *(
            ({name: value}, SECONDS)
            for name in ("initial", "maximum", "max_retry_after", "max_elapsed")
            for value in (-0.1, math.nan, math.inf, "1", True, timedelta(seconds=1))
        ),
        *(({name: None}, SECONDS) for name in ("initial", "maximum", "max_retry_after")),
    ],
    ids=str,
)
def test_a_policy_that_cannot_be(options, expectation):
    ((name, value),) = options.items()
    with pytest.raises(ConfigurationError) as caught:
        RetryPolicy(**options)
    assert isinstance(caught.value, ValueError)
    assert str(caught.value) == f"{name}={value!r}: {expectation}"


def test_a_policy_is_a_value():
    assert RetryPolicy() == RetryPolicy(5, 0.5, 30.0, 120.0, None, sleep=asyncio.sleep)
    assert RetryPolicy(sleep=print) == RetryPolicy()
    assert hash(RetryPolicy(3)) == hash(RetryPolicy(3))
    assert repr(RetryPolicy(3)) == (
        "RetryPolicy(attempts=3, initial=0.5, maximum=30.0, max_retry_after=120.0, max_elapsed=None)"
    )
    with pytest.raises(AttributeError):
        RetryPolicy().attempts = 3
