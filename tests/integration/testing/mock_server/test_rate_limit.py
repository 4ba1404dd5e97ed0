"""Rate limiting on a fake clock."""

from types import SimpleNamespace

import pytest

from piriod_async.testing import MockServer
from tests.support.raw_client import serve


async def test_sliding_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Accepted requests count for one window, rejected and unauthorized ones do not count."""
    clock = iter([0.0, 0.9, 0.95, 0.99, 1.0, 1.5, 9.0, 9.1]).__next__
    monkeypatch.setattr("piriod_async.testing.mock_server.rate_limit.time", SimpleNamespace(monotonic=clock))
    async with serve(1) as (server, client):
        server.rate_limit(rate=2)
        statuses = [(await client.fetch()).status for _ in range(6)]
        assert statuses == [200, 200, 429, 429, 200, 429]
        assert (await client.fetch(authorization="Token wrong")).status == 401
        server.rate_limit(rate=0.25)
        await client.page()
        response = await client.fetch()
        assert response.headers["Retry-After"] == "4"
        assert response.body == {"detail": "Request was throttled. Expected available in 4 seconds."}
        server.rate_limit(None)
        await client.page()


def test_invalid_rate() -> None:
    """A rate of 0 is refused."""
    with pytest.raises(ValueError, match="rate=0: expected a number above 0"):
        MockServer().rate_limit(0)
