"""`RetryPolicy`: which errors are retried, and after how long a wait."""

import asyncio
import math
import random
from datetime import timedelta

import pytest

from piriod_async import (
    APIConnectionError,
    APITimeoutError,
    ConfigurationError,
    DecodeError,
    RetryPolicy,
)
from piriod_async.testing import no_backoff
from tests.support.errors import status_error

RESET = APIConnectionError("reset by peer", retryable=True)
SECONDS = "expected a number of seconds, 0 or more"


def next_wait(policy, error=RESET, attempt_number=1, *, backoff=0.0, pause_left=0.0, elapsed=0.0):
    return policy.next_wait(error, attempt_number, backoff=backoff, pause_left=pause_left, elapsed=elapsed)


@pytest.mark.parametrize(
    ("options", "bounds"),
    [
        ({}, [0.5, 1, 2, 4, 8, 16, 30, 30]),
        ({"wait_initial": 0.1, "wait_max": 0.15}, [0.1, 0.15, 0.15]),
        ({"wait_initial": 3, "wait_max": 1}, [1, 1, 1, 1]),
        ({"wait_initial": 0}, [0, 0, 0, 0]),
    ],
)
def test_full_jitter(options, bounds):
    """Each wait is drawn evenly between 0 and a bound, which doubles up to `wait_max`."""
    policy, drawn = RetryPolicy(**options), random.Random(7)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(random, "uniform", drawn.uniform)
        for attempt_number, bound in enumerate(bounds, start=1):
            waits = [policy.backoff(RESET, attempt_number) for _ in range(300)]
            assert 0 <= min(waits) <= 0.05 * bound
            assert 0.95 * bound <= max(waits) <= bound
            assert sum(waits) / len(waits) == pytest.approx(bound / 2, rel=0.2)


def test_many_attempts():
    """The doubling does not overflow."""
    assert 0 <= RetryPolicy().backoff(RESET, 5_000) <= 30


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_retry_after(status):
    """`Retry-After` is added to the jitter, unless it is longer than `max_retry_after`."""
    policy = RetryPolicy(wait_initial=0.5, max_retry_after=120)
    assert 7 <= policy.backoff(status_error(status, 7.0), 1) <= 7.5
    assert 120 <= policy.backoff(status_error(status, 120.0), 1) <= 120.5
    assert policy.backoff(status_error(status, 120.5), 1) is None


def test_no_backoff():
    """Inside `no_backoff` there is no wait, but a `Retry-After` that is too long still ends the request."""
    with no_backoff():
        assert RetryPolicy().backoff(status_error(429, 7.0), 3) == 0
        assert RetryPolicy().backoff(status_error(429, 120.5), 3) is None
    assert RetryPolicy().backoff(status_error(429, 7.0), 3) > 0


@pytest.mark.parametrize(
    ("error", "retried"),
    [
        (RESET, True),
        (APITimeoutError("no response", retryable=True), True),
        (DecodeError("truncated", retryable=True), True),
        *((status_error(status), True) for status in (408, 429, 500, 502, 503, 504)),
        *((status_error(status), False) for status in (204, 301, 400, 401, 402, 403, 404, 409, 501, 505)),
        (status_error(400, 7.0), False),
        (APIConnectionError("certificate"), False),
        (DecodeError("results[17].created"), False),
        (ConfigurationError("auth="), False),
    ],
    ids=repr,
)
def test_retryable(error, retried):
    """Only errors that may pass are retried."""
    assert next_wait(RetryPolicy(), error, backoff=2.0) == (2.0 if retried else None)


@pytest.mark.parametrize(("attempts", "attempt_number", "retried"), [(1, 1, False), (2, 1, True), (2, 2, False)])
def test_attempts(attempts, attempt_number, retried):
    """A request is sent `attempts` times at most."""
    assert (next_wait(RetryPolicy(attempts), attempt_number=attempt_number) is not None) == retried


@pytest.mark.parametrize(
    ("backoff", "pause_left", "wait"), [(0, 0, 0), (3, 0, 3), (3, 2, 3), (3, 5, 5), (0, 5, 5), (None, 5, None)]
)
def test_pause(backoff, pause_left, wait):
    """The next attempt comes after both the backoff and the limiter's pause."""
    assert next_wait(RetryPolicy(), backoff=backoff, pause_left=pause_left) == wait


@pytest.mark.parametrize(
    ("max_elapsed", "elapsed", "backoff", "pause_left", "wait"),
    [
        (5, 0, 5, 0, 5),
        (5, 0, 5.1, 0, None),
        (5, 0, 0, 5.1, None),
        (5, 3, 2, 0, 2),
        (5, 3, 2.1, 0, None),
        (0, 0, 0, 0, 0),
        (None, 1e6, 1e6, 0, 1e6),
    ],
)
def test_max_elapsed(max_elapsed, elapsed, backoff, pause_left, wait):
    """A wait that would go past `max_elapsed` is not started."""
    policy = RetryPolicy(max_elapsed=max_elapsed)
    assert next_wait(policy, backoff=backoff, pause_left=pause_left, elapsed=elapsed) == wait


@pytest.mark.parametrize(
    ("options", "expectation"),
    [
        *(({"attempts": value}, "expected a whole number, 1 or more") for value in (0, -1, 1.0, "3", True, None)),
        *(
            ({name: value}, SECONDS)
            for name in ("wait_initial", "wait_max", "max_retry_after", "max_elapsed")
            for value in (-0.1, math.nan, math.inf, "1", True, timedelta(seconds=1))
        ),
        *(({name: None}, SECONDS) for name in ("wait_initial", "wait_max", "max_retry_after")),
    ],
    ids=str,
)
def test_invalid(options, expectation):
    """A value out of range is a `ConfigurationError` that names it."""
    ((name, value),) = options.items()
    with pytest.raises(ConfigurationError) as caught:
        RetryPolicy(**options)
    assert isinstance(caught.value, ValueError)
    assert str(caught.value) == f"{name}={value!r}: {expectation}"


def test_value_semantics():
    """Policies compare, hash and print by value, `sleep` aside, and are immutable."""
    assert RetryPolicy() == RetryPolicy(5, 0.5, 30.0, 120.0, None, sleep=asyncio.sleep)
    assert RetryPolicy(sleep=print) == RetryPolicy()
    assert hash(RetryPolicy(3)) == hash(RetryPolicy(3))
    assert repr(RetryPolicy(3)) == (
        "RetryPolicy(attempts=3, wait_initial=0.5, wait_max=30.0, max_retry_after=120.0, max_elapsed=None)"
    )
    with pytest.raises(AttributeError):
        RetryPolicy().attempts = 3
