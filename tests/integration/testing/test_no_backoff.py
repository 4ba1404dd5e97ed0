"""Retries without delays."""

from typing import Any

import pytest

from piriod_async import RateLimitError
from piriod_async.testing import MockServer, no_backoff


async def test_scope(clock: Any) -> None:
    """Inside the block retries neither wait nor pace; outside they do."""
    async with MockServer(3) as server, server.session(retry=clock.policy()) as piriod:
        with no_backoff(), no_backoff():
            server.fail(status=429, retry_after=100, times=2)
            server.fail(status=500, times=2)
            await piriod.customers().count()
            assert (clock.sleeps, piriod.stats.rate) == ([0, 0, 0, 0], None)
        server.fail(status=429, retry_after=100)
        await piriod.customers().count()
        assert 100 <= sum(clock.sleeps) <= 101
        assert piriod.stats.rate is not None


async def test_max_retry_after() -> None:
    """A `Retry-After` beyond `max_retry_after` is raised inside the block as well."""
    async with MockServer(3) as server, server.session() as piriod:
        server.fail(status=429, retry_after=1_000)
        with no_backoff(), pytest.raises(RateLimitError) as caught:
            await piriod.customers().count()
        assert caught.value.attempts == 1
