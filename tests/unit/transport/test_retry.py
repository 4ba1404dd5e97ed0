"""The retry loop: what it sends, waits for, raises and reports. Time passes only by waiting."""

import asyncio
import logging
import math

import pytest

from piriod_async import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    ConfigurationError,
    DecodeError,
    PiriodError,
    RateLimitError,
    RetryPolicy,
    ServerError,
)
from piriod_async.testing import no_backoff
from piriod_async.transport.attempts import RequestInfo
from piriod_async.transport.limiter import RequestLimiter
from piriod_async.transport.retry import Retrier
from piriod_async.transport.retry_budget import RetryBudget
from tests.support.errors import status_error

pytestmark = pytest.mark.usefixtures("no_leaks")

RESET = APIConnectionError("reset by peer", retryable=True)
REQUEST = RequestInfo(page=3, workspace="acc_1")


class Server:
    """Fails with the errors given, one per attempt, then succeeds; each attempt may take a while."""

    def __init__(self, clock, *errors, takes=0.0, bad_bodies=()):
        self.clock, self.errors, self.takes, self.bad_bodies = clock, list(errors), takes, list(bad_bodies)
        self.attempts = []

    async def send(self, attempt_number):
        self.attempts.append(attempt_number)
        self.clock.now += self.takes
        if self.errors:
            raise self.errors.pop(0)
        return b"body"

    async def decode(self, body):
        if self.bad_bodies:
            raise self.bad_bodies.pop(0)
        return body.decode()

    async def call(self, policy, limiter=None, on_attempt=None):
        retrier = Retrier(policy, limiter or RequestLimiter(8, self.clock.sleep), RetryBudget(), on_attempt)
        return await retrier.call(self.send, self.decode, request=REQUEST, flow=None)


@pytest.mark.parametrize(
    ("policy", "waits"),
    [({}, [0.5, 1, 2, 4]), ({"attempts": 9}, [0.5, 1, 2, 4, 8, 16, 30, 30]), ({"attempts": 1}, [])],
    ids=str,
)
@pytest.mark.parametrize("error", [RESET, status_error(500), status_error(503)], ids=["reset", "500", "503"])
@pytest.mark.usefixtures("max_jitter")
async def test_exhausted(clock, policy, waits, error):
    """After `attempts` attempts, the last error is raised."""
    server = Server(clock, *[error] * 20)
    with pytest.raises(type(error)) as caught:
        await server.call(clock.policy(**policy))
    assert clock.sleeps == pytest.approx(waits)
    assert server.attempts == list(range(1, len(waits) + 2))
    assert caught.value is error
    assert error.attempts == len(server.attempts)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
@pytest.mark.usefixtures("max_jitter")
async def test_retry_after(clock, status):
    """On a 429, and a 503 with `Retry-After`, only the limiter waits: its pause holds for all requests."""
    server = Server(clock, status_error(status, 7.0), status_error(status, 7.0))
    assert await server.call(clock.policy()) == "body"
    pauses = status in (429, 503)
    assert clock.sleeps == pytest.approx([0, 7.5, 0, 8] if pauses else [7.5, 8])


@pytest.mark.parametrize(("status", "pauses"), [(429, True), (503, False), (500, False)])
@pytest.mark.usefixtures("max_jitter")
async def test_without_retry_after(clock, status, pauses):
    """Without `Retry-After`, only a 429 pauses all requests."""
    assert await Server(clock, status_error(status)).call(clock.policy()) == "body"
    assert clock.sleeps == pytest.approx([0, 0.5] if pauses else [0.5])


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_retry_after_too_long(clock, status):
    """A `Retry-After` beyond `max_retry_after` is raised at once; other requests fail, or are sent, without a pause."""
    limiter = RequestLimiter(1, clock.sleep)
    server = Server(clock, status_error(status, 120.5))
    with pytest.raises(APIStatusError) as caught:
        await server.call(clock.policy(), limiter)
    assert (caught.value.retry_after, caught.value.attempts) == (120.5, 1)
    assert clock.sleeps == []
    assert limiter.paused_until is None
    if status in (429, 503):
        with pytest.raises(type(caught.value), match="not sent"):
            await Server(clock).call(clock.policy(), limiter)
        clock.now += 120.5
    assert await Server(clock, status_error(status, 120.0)).call(clock.policy(), limiter) == "body"
    assert 120 <= sum(clock.sleeps) <= 120.5


@pytest.mark.parametrize(("status", "pauses"), [(429, True), (503, True), (500, False)])
async def test_last_attempt_pauses(clock, status, pauses):
    """A pause that the server asks for holds for the others, even if this request is not retried."""
    limiter = RequestLimiter(8, clock.sleep)
    with pytest.raises(APIStatusError):
        await Server(clock, status_error(status, 7.0)).call(clock.policy(attempts=1), limiter)
    assert (limiter.paused_until is not None) == pauses
    assert clock.sleeps == []


async def test_rate_cut(clock):
    """A 429 cuts the rate, unless its request was sent before the last cut; a 503 does not cut it."""
    limiter, rates = RequestLimiter(8, clock.sleep), []

    async def send(_):
        rates.append(limiter.rate)
        if len(rates) == 1:
            limiter.throttled(status_error(429), sent_at=clock.now, pause=None)  # another request's, meanwhile
            clock.now += 1
            limiter.throttled(status_error(429), sent_at=clock.now, pause=None)
            raise status_error(429)
        raise status_error(503, 1.0)

    retrier = Retrier(clock.policy(attempts=2), limiter, RetryBudget())
    with pytest.raises(ServerError):
        await retrier.call(send, None, request=REQUEST, flow=None)
    assert rates == [None, pytest.approx(0.9)]
    assert limiter.rate == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("max_elapsed", "takes", "error", "attempts"),
    [
        (7.5, 0, RESET, 5),  # waits of 0.5, 1, 2 and 4
        (7.4, 0, RESET, 4),
        (10, 3, RESET, 3),  # 3, +0.5 +3, +1 +3, and 2 more would exceed it
        (10.5, 3, RESET, 3),
        (12.5, 3, RESET, 4),
        (0, 0, RESET, 1),
        (20, 0, status_error(429, 20), 1),  # the limiter's pause counts too
        (20.5, 0, status_error(429, 20), 2),
        (20, 0, status_error(500, 20), 1),
        (20.5, 0, status_error(500, 20), 2),
        (None, 1e6, RESET, 9),
    ],
)
@pytest.mark.usefixtures("max_jitter")
async def test_max_elapsed(clock, max_elapsed, takes, error, attempts):
    """No wait is started that would go past `max_elapsed`, counted from the first attempt."""
    server, started = Server(clock, *[error] * 20, takes=takes), clock.now
    with pytest.raises(type(error)):
        await server.call(clock.policy(attempts=9, max_elapsed=max_elapsed))
    assert len(server.attempts) == attempts
    assert max_elapsed is None or clock.now - started - takes <= max_elapsed


@pytest.mark.parametrize(("pause", "attempts"), [(4.9, 2), (5.1, 1)])
async def test_max_elapsed_and_pause(clock, pause, attempts):
    """A pause caused by another request counts for `max_elapsed`."""
    limiter, sent = RequestLimiter(8, clock.sleep), []

    async def send(attempt_number):
        sent.append(attempt_number)
        limiter.pause(pause)
        raise RESET

    retrier = Retrier(clock.policy(attempts=2, wait_initial=0, max_elapsed=5), limiter, RetryBudget())
    with pytest.raises(APIConnectionError):
        await retrier.call(send, None, request=REQUEST, flow=None)
    assert len(sent) == attempts
    assert sum(clock.sleeps) == pytest.approx(pause if attempts == 2 else 0)


async def test_max_elapsed_starts_when_sent(clock):
    """Waiting before the first attempt does not count for `max_elapsed`."""
    limiter = RequestLimiter(8, clock.sleep)
    limiter.pause(100)
    server = Server(clock, RESET)
    assert await server.call(clock.policy(max_elapsed=5), limiter) == "body"
    assert server.attempts == [1, 2]
    assert clock.sleeps[0] == 100


async def test_max_elapsed_between_attempts():
    """If `max_elapsed` passes while a retry waits for the limiter, no further attempt is reported."""
    reported, limiter = [], RequestLimiter(1, asyncio.sleep)

    async def send(_):
        raise APIConnectionError("reset by peer", retryable=True)

    async def sleep(_):
        await limiter.acquire("another")

    policy = RetryPolicy(max_elapsed=0.2, wait_initial=0, sleep=sleep)
    retrier = Retrier(policy, limiter, RetryBudget(), reported.append)
    with pytest.raises(APITimeoutError, match="max_elapsed") as caught:
        await retrier.call(send, None, request=REQUEST, flow=None)
    assert caught.value.attempts == 1
    assert isinstance(caught.value.__cause__, APIConnectionError)
    assert [(attempt.retry, attempt.error.retryable) for attempt in reported] == [(0, True)]


async def test_concurrent_requests(clock):
    """Each request counts its own attempts."""
    limiter = RequestLimiter(4, clock.sleep)
    servers = [Server(clock, *[status_error((429, 500)[n % 2])] * (n % 5)) for n in range(40)]
    assert await asyncio.gather(*(server.call(clock.policy(), limiter) for server in servers)) == ["body"] * 40
    assert [len(server.attempts) for server in servers] == [n % 5 + 1 for n in range(40)]


async def test_undecodable_body(clock):
    """A retryable error of `decode` is retried like one of `send`."""
    server = Server(clock, RESET, bad_bodies=[DecodeError("truncated", retryable=True)])
    assert await server.call(clock.policy()) == "body"
    assert server.attempts == [1, 2, 3]


@pytest.mark.parametrize(
    "error",
    [
        status_error(404),
        DecodeError("results[17].created"),
        ConfigurationError("auth="),
        TypeError("a bug"),
        TimeoutError("a bug"),
        asyncio.CancelledError(),
    ],
    ids=repr,
)
@pytest.mark.parametrize("retries", [0, 2])
async def test_not_retried(clock, error, retries):
    """Final errors, bugs and cancellation end the request, also after a retry."""
    server = Server(clock, *[RESET] * retries, error)
    with pytest.raises(type(error)) as caught:
        await server.call(clock.policy())
    assert caught.value is error or isinstance(error, asyncio.CancelledError)
    assert len(server.attempts) == len(clock.sleeps) + 1 == retries + 1
    if isinstance(error, PiriodError):
        assert error.attempts == retries + 1


async def test_log(clock, caplog):
    """Every wait is logged with its reason."""
    caplog.set_level(logging.INFO, "piriod_async")
    with pytest.raises(ServerError):
        await Server(clock, RESET, status_error(503), status_error(429, 7.0), status_error(500)).call(
            clock.policy(attempts=4)
        )
    messages = [record.getMessage().rpartition(" wait=")[0] for record in caplog.records]
    assert messages == [
        "retry page=3 workspace=acc_1 attempt=1 attempts=4 reason=APIConnectionError",
        "retry page=3 workspace=acc_1 attempt=2 attempts=4 reason=503",
        "retry page=3 workspace=acc_1 attempt=3 attempts=4 reason=429",
    ]


@pytest.mark.parametrize(
    ("error", "status", "waits"),
    [
        (RESET, None, (0, 0.5)),
        (status_error(503), 503, (0, 0.5)),
        (status_error(429, 7.0), 429, (7, 7.5)),
        (DecodeError("truncated", retryable=True), 200, (0, 0.5)),
        (DecodeError("results[17].created"), 200, None),
        (status_error(404), 404, None),
    ],
    ids=repr,
)
async def test_reported(clock, error, status, waits):
    """`on_attempt` sees every attempt once, with what follows it."""
    reported = []
    server = Server(clock, *[error] * 2, takes=3)
    if waits:
        await server.call(clock.policy(), on_attempt=reported.append)
    else:
        with pytest.raises(type(error)):
            await server.call(clock.policy(), on_attempt=reported.append)
    failed, succeeded = reported[: 2 if waits else 1], reported[2 if waits else 1 :]
    assert [(attempt.retry, attempt.status, attempt.error) for attempt in failed] == [
        (retry, status, error) for retry in range(len(failed))
    ]
    assert [attempt.duration for attempt in reported] == pytest.approx([3] * len(reported))
    if waits:
        assert waits[0] <= failed[0].next_wait <= waits[1]
        assert [(attempt.retry, attempt.status, attempt.error) for attempt in succeeded] == [(2, 200, None)]
    else:
        assert (failed[0].next_wait, succeeded) == (None, [])


@pytest.mark.parametrize("error", [None, RESET], ids=repr)
async def test_hook_error(clock, error):
    """An exception of `on_attempt` ends the request, whatever the attempt was."""

    def on_attempt(_):
        raise APIConnectionError("the hook's own", retryable=True)

    server = Server(clock, *[error] if error else [])
    with pytest.raises(APIConnectionError, match="the hook's own"):
        await server.call(clock.policy(), on_attempt=on_attempt)
    assert server.attempts == [1]


async def test_no_backoff(clock):
    """Inside `no_backoff`, requests are retried without waiting, and nothing is paused or paced."""
    limiter, reported = RequestLimiter(8, clock.sleep), []
    with no_backoff():
        errors = [status_error(429, 7.0), status_error(503, 7.0), status_error(500)]
        assert await Server(clock, *errors).call(clock.policy(), limiter, reported.append) == "body"
    assert clock.sleeps == [0, 0, 0]
    assert [attempt.next_wait for attempt in reported] == [0, 0, 0, None]
    assert (limiter.rate, limiter.paused_until) == (None, None)


class EndlessSleep:
    """A sleep, of any time but none, that never ends."""

    def __init__(self):
        self.reached = asyncio.Event()

    async def __call__(self, seconds=math.inf):
        if seconds:
            self.reached.set()
            await asyncio.Event().wait()


@pytest.mark.parametrize("where", ["retry", "pause", "send", "decode"])
async def test_cancelled(where):
    """Cancellation ends a request wherever it waits, and returns its slot."""
    hang = EndlessSleep()
    limiter = RequestLimiter(1, hang)
    errors = {"retry": [RESET], "pause": [RateLimitError(status=429, retry_after=7.0)]}.get(where, [])

    async def send(_):
        if errors:
            raise errors.pop()
        if where == "send":
            await hang()
        return b""

    async def decode(_):
        await hang()

    retrier = Retrier(RetryPolicy(sleep=hang), limiter, RetryBudget())
    task = asyncio.create_task(retrier.call(send, decode, request=REQUEST, flow=None))
    await hang.reached.wait()
    assert (limiter.slots.available == 0) == (where in ("pause", "send"))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert limiter.in_flight == 0
    assert limiter.slots.available == 1
