"""`on_attempt`: what it sees of a session."""

import time

import pytest
from blockbuster import BlockingError

from piriod_async import (
    APIConnectionError,
    ConfigurationError,
    DecodeError,
    PiriodSession,
    RetryPolicy,
    ServerError,
)
from piriod_async.testing.mock_server import MockServer

pytestmark = pytest.mark.usefixtures("no_leaks")


async def test_every_attempt(clock):
    """Each attempt is reported once, and as many as the server received."""
    attempts = []
    async with MockServer(250) as server, server.session(retry=clock.policy(), on_attempt=attempts.append) as piriod:
        server.fail(status=500, page=2, times=2)
        await piriod.customers(ordering=None).collect()
        assert len(attempts) == len(server.requests) == piriod.stats.requests == 6
    assert {(attempt.method, attempt.workspace) for attempt in attempts} == {("GET", "acc_mock")}
    attempts.sort(key=lambda attempt: attempt.page)
    assert [(attempt.page, attempt.retry, attempt.status) for attempt in attempts] == [
        (1, 0, 200),
        (1, 0, 200),
        (2, 0, 500),
        (2, 1, 500),
        (2, 2, 200),
        (3, 0, 200),
    ]
    for attempt in attempts:
        assert (attempt.error is None) == (attempt.next_wait is None) == (attempt.status == 200)
        assert attempt.duration >= 0
        assert abs(attempt.started_at - time.time()) < 60
        assert 0 <= (attempt.next_wait or 0) <= 1


@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [
        ({"status": 503}, 503, ServerError),
        ({"disconnect": "body"}, None, APIConnectionError),
        ({"garbage": "html"}, 200, DecodeError),
    ],
)
async def test_last_attempt(clock, fault, status, kind):
    """The last attempt has no `next_wait`, and its error is the one that is raised."""
    attempts = []
    async with MockServer(3) as server:
        server.fail(**fault, times=None)
        async with server.session(retry=clock.policy(attempts=3), on_attempt=attempts.append) as piriod:
            with pytest.raises(kind) as caught:
                await piriod.customers().count()
    assert [(attempt.retry, attempt.status) for attempt in attempts] == [(0, status), (1, status), (2, status)]
    assert [attempt.next_wait is None for attempt in attempts] == [False, False, True]
    assert attempts[-1].error is caught.value


async def test_pause(clock):
    """A pause of the session is part of `next_wait`."""
    attempts = []
    async with MockServer(3) as server, server.session(retry=clock.policy(), on_attempt=attempts.append) as piriod:
        server.fail(status=429, retry_after=30)
        await piriod.customers().count()
    assert [attempt.status for attempt in attempts] == [429, 200]
    assert 30 <= attempts[0].next_wait <= 30.5


async def test_max_elapsed():
    """An attempt that `max_elapsed` cuts off is reported."""
    attempts = []
    async with MockServer(3, latency=30) as server:
        retry = RetryPolicy(max_elapsed=0.05)
        async with server.session(retry=retry, on_attempt=attempts.append) as piriod:
            with pytest.raises(APIConnectionError, match="max_elapsed"):
                await piriod.customers().count()
    assert [(attempt.status, attempt.next_wait) for attempt in attempts] == [(None, None)]


async def test_hook_error():
    """An exception of the hook ends the request, and is not taken for a timeout of ours."""

    def on_attempt(_):
        raise TimeoutError("the hook's own")

    async with MockServer(3) as server, server.session(on_attempt=on_attempt) as piriod:
        with pytest.raises(TimeoutError, match="the hook's own"):
            await piriod.customers().count()
        assert piriod.stats.in_flight == 0


async def test_blocking_hook():
    """A hook that blocks the event loop is detected: this is the test of blockbuster, which runs in all others."""
    async with MockServer(3) as server, server.session(on_attempt=lambda _: time.sleep(0.001)) as piriod:
        with pytest.raises(BlockingError, match="sleep"):
            await piriod.customers().count()


def test_invalid_hook():
    """A hook must be a plain function."""
    with pytest.raises(ConfigurationError, match="on_attempt='log': expected a function, not async, or None"):
        PiriodSession("token", on_attempt="log")

    async def log(_):
        pass

    with pytest.raises(ConfigurationError, match="expected a function, not async, or None"):
        PiriodSession("token", on_attempt=log)
