"""The pace that 429s teach, in virtual time: against limits of several kinds, how much of the allowed rate is used."""

import asyncio
import random
from math import ceil

import pytest

from piriod_async import RetryPolicy, ServerError
from piriod_async.errors import error_from_response
from piriod_async.testing.mock_server.rate_limit import RateLimit
from piriod_async.testing.mock_server.response import APIException
from piriod_async.transport.attempts import Request
from piriod_async.transport.limiter import Gate
from piriod_async.transport.pacer import FIRST_CLIMB, LAST_CLIMB, SLOWEST, Pace
from piriod_async.transport.retry import Retrier
from piriod_async.transport.retry_budget import Budget
from tests.support.virtual_time import run

CLOCKS = ("piriod_async.transport.limiter.time", "piriod_async.transport.retry.time")


def failure(status, retry_after=None):
    return error_from_response(status, b"", request="GET", reason="", request_id=None, retry_after=retry_after)


class Bucket:
    """A token bucket that says when the next token comes."""

    def __init__(self, rate, size):
        self.rate, self.tokens, self.size, self.at = rate, size, size, 0.0

    def check_rate(self):
        now = asyncio.get_running_loop().time()
        self.tokens = min(self.size, self.tokens + (now - self.at) * self.rate)
        self.at = now
        if self.tokens < 1:
            raise APIException(429, "", {"Retry-After": str(ceil((1 - self.tokens) / self.rate))})
        self.tokens -= 1


class Throttled:
    """A server behind a limit, asked without a break by more than may be under way."""

    def __init__(self, limit, latency, concurrency, rng):
        self.limit, self.latency, self.rng = limit, latency, rng
        self.gate = Gate(concurrency, asyncio.sleep)
        self.retrier = Retrier(RetryPolicy(attempts=1_000), self.gate, Budget())
        self.answers, self.refusals = [], []

    async def send(self, _):
        clock = asyncio.get_running_loop()
        latency = self.rng.uniform(*self.latency)
        await asyncio.sleep(latency / 2)
        try:
            self.limit.check_rate()
        except APIException as refusal:
            self.refusals.append(clock.time())
            raise failure(429, float(refusal.response.headers["Retry-After"])) from None
        finally:
            await asyncio.sleep(latency / 2)
        self.answers.append(clock.time())
        return b""

    async def decode(self, _):
        return None

    async def ask(self):
        while True:
            await self.retrier.fetch(self.send, self.decode, request=Request(page=1, workspace="acc"), whose=None)

    async def crawl(self, seconds):
        asking = [asyncio.create_task(self.ask()) for _ in range(40)]
        await asyncio.sleep(seconds)
        for task in asking:
            task.cancel()
        ended = await asyncio.gather(*asking, return_exceptions=True)
        assert {type(end) for end in ended} == {asyncio.CancelledError}


def since(moment, moments):
    return sum(each >= moment for each in moments)


@pytest.mark.parametrize("latency", [(0.003, 0.003), (0.003, 0.1), (0.1, 0.1)], ids=str)
@pytest.mark.parametrize("concurrency", [8, 32])
@pytest.mark.parametrize(
    ("limit", "rate"),
    [
        (lambda: RateLimit(50), 50),  # as REST Framework counts
        (lambda: RateLimit(5), 5),
        (lambda: Bucket(50, 50), 50),
        (lambda: Bucket(10, 20), 10),
    ],
    ids=["log 50/s", "log 5/s", "bucket 50/s", "bucket 10/s"],
)
def test_most_of_what_is_allowed_is_used(monkeypatch, limit, rate, latency, concurrency):
    throttled = Throttled(limit(), latency, concurrency, random.Random(7))
    run(throttled.crawl(75), monkeypatch, *CLOCKS, "piriod_async.testing.mock_server.rate_limit.time")
    good, bad = since(1_015, throttled.answers), since(1_015, throttled.refusals)
    assert good >= 0.85 * 60 * rate
    assert bad <= 0.05 * (good + bad)
    assert throttled.gate.in_flight == 0


def test_nothing_is_held_back_before_the_first_429():
    pace = Pace()
    for now in range(100):
        pace.leave(now / 1_000)
        pace.answered(now / 1_000)
    assert pace.rate is None
    assert pace.next == 0


def test_the_first_429_sets_the_pace_of_the_last_second():
    pace = Pace()
    for n in range(200):
        pace.answered(n / 40)
    pace.refused(200 / 40, sent=4.9)
    assert pace.rate == pytest.approx(0.9 * 39)
    assert (pace.next, pace.climb) == (5, FIRST_CLIMB)


def test_a_429_at_the_very_start_sets_one_a_second():
    pace = Pace()
    pace.refused(5, sent=4)
    assert pace.rate == 1


def test_later_ones_cut_it_if_they_were_sent_after_the_last_cut():
    pace = Pace(rate=None)
    pace.refused(5, sent=4)
    pace.refused(5.1, sent=4.9)
    assert (pace.rate, pace.climb) == (1, FIRST_CLIMB)
    pace.refused(6, sent=5)
    assert (pace.rate, pace.climb) == (0.9, FIRST_CLIMB / 4)
    for second in range(7, 20):
        pace.refused(second, sent=second)
    assert pace.climb == LAST_CLIMB


def test_a_bad_hour_is_not_held_against_the_server_for_long():
    pace, now = Pace(), 0.0
    pace.refused(now, sent=now)
    while now < 3_600:
        now = max(pace.next, now + 1)
        pace.leave(now)
        pace.refused(now, sent=now)
    assert pace.rate == SLOWEST
    well = now
    while pace.rate < 50:
        now = pace.next
        pace.leave(now)
    assert now - well < 300


def test_it_climbs_while_it_is_what_holds_requests_back():
    pace = Pace()
    pace.refused(0, sent=0)
    now = 0.0
    while now < 5:
        pace.leave(now)
        now = pace.next
    assert 1.3**4 < pace.rate < 1.3**6
    rate = pace.rate
    for second in range(10, 20):  # far fewer than it allows
        pace.leave(second)
    assert pace.rate == rate


def test_a_503_spreads_those_who_wait_and_the_first_429_still_counts():
    pace = Pace()
    pace.spread(0, least=8)
    assert pace.rate == 8
    for n in range(20):
        pace.answered(n / 20)
    pace.refused(0.99, sent=0.9)
    assert pace.rate == pytest.approx(0.9 * 20)


# --- what a dead server gets ---


@pytest.mark.parametrize(("status", "requests"), [(503, 200 + 500 // 5), (500, 300)])
def test_a_dead_server_gets_a_trickle(monkeypatch, status, requests):
    """Two hundred requests at a server that answers 503 to everything: five times that without the budget."""
    sent = []

    async def send(attempt):
        sent.append(attempt)
        await asyncio.sleep(0.01)
        raise failure(status)

    async def main():
        retrier = Retrier(RetryPolicy(), Gate(32, asyncio.sleep), Budget())
        asking = (retrier.fetch(send, None, request=Request(page=1, workspace="acc"), whose=n) for n in range(200))
        errors = await asyncio.gather(*asking, return_exceptions=True)
        assert {type(error) for error in errors} == {ServerError}
        short = [error for error in errors if getattr(error, "__notes__", None)]
        assert "budget of retries is spent" in short[0].__notes__[0]
        assert retrier.budget.tokens == 0

    run(main(), monkeypatch, *CLOCKS)
    assert len(sent) == requests


def test_a_server_that_stumbles_is_never_short_of_retries(monkeypatch):
    """Every third attempt fails, ten thousand times."""
    sent = []

    async def send(attempt):
        sent.append(attempt)
        if len(sent) % 3 == 0:
            raise failure(500)
        return b""

    async def decode(_):
        return None

    async def main():
        retrier = Retrier(RetryPolicy(), Gate(8, asyncio.sleep), Budget())
        for _ in range(10_000):
            await retrier.fetch(send, decode, request=Request(page=1, workspace="acc"), whose=None)
        assert retrier.budget.tokens >= 490

    run(main(), monkeypatch, *CLOCKS)
    assert len(sent) == pytest.approx(15_000, abs=2)


def test_down_for_ten_seconds_and_it_says_so(monkeypatch):
    """A 503 with `Retry-After` is waited for by everybody, costs few requests, and all get through."""
    sent = []

    async def send(_):
        now = asyncio.get_running_loop().time()
        sent.append(now)
        await asyncio.sleep(0.01)
        if now < 1_010:
            raise failure(503, 1_010 - now)
        return b""

    async def decode(_):
        return None

    async def main():
        retrier = Retrier(RetryPolicy(), Gate(32, asyncio.sleep), Budget())
        asking = (retrier.fetch(send, decode, request=Request(page=1, workspace="acc"), whose=n) for n in range(200))
        await asyncio.gather(*asking)

    run(main(), monkeypatch, *CLOCKS)
    assert len(sent) == 200 + 32
    back = sorted(moment for moment in sent if moment > 1_000.1)
    assert back[0] >= 1_010
    assert since(back[0], [moment for moment in back if moment < back[0] + 0.5]) <= 20, "no herd"
