"""Retries, limiter and pacer together against servers that throttle, in virtual time."""

import asyncio
import random
from math import ceil

import pytest

from piriod_async import RetryPolicy
from piriod_async.testing.mock_server.rate_limit import RateLimit
from piriod_async.testing.mock_server.response import APIException
from piriod_async.transport.attempts import RequestInfo
from piriod_async.transport.limiter import RequestLimiter
from piriod_async.transport.retry import Retrier
from piriod_async.transport.retry_budget import RetryBudget
from tests.support.clock import run_virtual
from tests.support.errors import status_error

REQUEST = RequestInfo(page=1, workspace="acc_1")


class TokenBucket:
    """A server's rate limit that says when the next token comes."""

    def __init__(self, rate, size):
        self.rate, self.tokens, self.size, self.filled_at = rate, size, size, 0.0

    def check_rate(self):
        now = asyncio.get_running_loop().time()
        self.tokens = min(self.size, self.tokens + (now - self.filled_at) * self.rate)
        self.filled_at = now
        if self.tokens < 1:
            raise APIException(429, "", {"Retry-After": str(ceil((1 - self.tokens) / self.rate))})
        self.tokens -= 1


class ThrottledServer:
    """A server with a rate limit, and 40 tasks that send requests to it without a break.

    Attributes:
        successes, rejections: When each was sent, in virtual seconds.
    """

    def __init__(self, limit, latency, concurrency, rng):
        self.limit, self.latency, self.rng = limit, latency, rng
        self.limiter = RequestLimiter(concurrency, asyncio.sleep)
        self.retrier = Retrier(RetryPolicy(attempts=1_000), self.limiter, RetryBudget())
        self.successes, self.rejections = [], []

    async def send(self, _):
        loop = asyncio.get_running_loop()
        latency = self.rng.uniform(*self.latency)
        await asyncio.sleep(latency / 2)
        try:
            self.limit.check_rate()
        except APIException as refusal:
            self.rejections.append(loop.time())
            raise status_error(429, float(refusal.response.headers["Retry-After"])) from None
        finally:
            await asyncio.sleep(latency / 2)
        self.successes.append(loop.time())
        return b""

    async def decode(self, _):
        return None

    async def send_forever(self):
        while True:
            await self.retrier.call(self.send, self.decode, request=REQUEST, flow=None)

    async def run(self, seconds):
        tasks = [asyncio.create_task(self.send_forever()) for _ in range(40)]
        await asyncio.sleep(seconds)
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(result) for result in results} == {asyncio.CancelledError}


def count_since(start, times):
    return sum(time >= start for time in times)


@pytest.mark.parametrize("latency", [(0.003, 0.003), (0.003, 0.1), (0.1, 0.1)], ids=str)
@pytest.mark.parametrize("concurrency", [8, 32])
@pytest.mark.parametrize(
    ("limit", "rate"),
    [
        (lambda: RateLimit(50), 50),  # Django REST Framework's sliding log
        (lambda: RateLimit(5), 5),
        (lambda: TokenBucket(50, 50), 50),
        (lambda: TokenBucket(10, 20), 10),
    ],
    ids=["log 50/s", "log 5/s", "bucket 50/s", "bucket 10/s"],
)
def test_adaptive_rate(clock, monkeypatch, limit, rate, latency, concurrency):
    """After 15 seconds, 85 % of the allowed rate is used, with at most 5 % of 429s."""
    monkeypatch.setattr("piriod_async.testing.mock_server.rate_limit.time", clock)
    server = ThrottledServer(limit(), latency, concurrency, random.Random(7))
    run_virtual(server.run(75), clock)
    succeeded, rejected = count_since(1_015, server.successes), count_since(1_015, server.rejections)
    assert succeeded >= 0.85 * 60 * rate
    assert rejected <= 0.05 * (succeeded + rejected)
    assert server.limiter.in_flight == 0


def test_unavailable(clock):
    """All requests wait for a 503 with `Retry-After`, few are sent meanwhile, and they do not return all at once."""
    sent = []

    async def send(_):
        now = asyncio.get_running_loop().time()
        sent.append(now)
        await asyncio.sleep(0.01)
        if now < 1_010:
            raise status_error(503, 1_010 - now)
        return b""

    async def decode(_):
        return None

    async def main():
        retrier = Retrier(RetryPolicy(), RequestLimiter(32, asyncio.sleep), RetryBudget())
        await asyncio.gather(*(retrier.call(send, decode, request=REQUEST, flow=n) for n in range(200)))

    run_virtual(main(), clock)
    assert len(sent) == 200 + 32
    resumed = sorted(time for time in sent if time > 1_000.1)
    assert resumed[0] >= 1_010
    assert sum(time < resumed[0] + 0.5 for time in resumed) <= 20
