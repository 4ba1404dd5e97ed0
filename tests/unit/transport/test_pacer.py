"""The adaptive rate, on its own."""

import pytest

from piriod_async.transport.pacer import MAX_GROWTH, MIN_GROWTH, MIN_RATE, Pacer


def test_no_rate_before_the_first_429():
    """Requests are not paced until the server responds with a 429."""
    pacer = Pacer()
    for now in range(100):
        pacer.record_send(now / 1_000)
        pacer.record_success(now / 1_000)
    assert pacer.rate is None
    assert pacer.next_send_at == 0


def test_first_429():
    """The first 429 sets the rate to 0.9 of the successes in the second before it."""
    pacer = Pacer()
    for n in range(200):
        pacer.record_success(n / 40)
    pacer.record_throttled(200 / 40, sent_at=4.9)
    assert pacer.rate == pytest.approx(0.9 * 39)
    assert (pacer.next_send_at, pacer.growth) == (5, MAX_GROWTH)


def test_429_before_any_success():
    """Without a success to measure, the rate starts at one request per second."""
    pacer = Pacer()
    pacer.record_throttled(5, sent_at=4)
    assert pacer.rate == 1


def test_later_429():
    """A later 429 cuts rate and growth, but only if its request was sent after the last cut."""
    pacer = Pacer()
    pacer.record_throttled(5, sent_at=4)
    pacer.record_throttled(5.1, sent_at=4.9)
    assert (pacer.rate, pacer.growth) == (1, MAX_GROWTH)
    pacer.record_throttled(6, sent_at=5)
    assert (pacer.rate, pacer.growth) == (0.9, MAX_GROWTH / 4)
    for second in range(7, 20):
        pacer.record_throttled(second, sent_at=second)
    assert pacer.growth == MIN_GROWTH


def test_recovery():
    """After an hour of 429s, the rate is back at 50 per second within five minutes."""
    pacer, now = Pacer(), 0.0
    pacer.record_throttled(now, sent_at=now)
    while now < 3_600:
        now = max(pacer.next_send_at, now + 1)
        pacer.record_send(now)
        pacer.record_throttled(now, sent_at=now)
    assert pacer.rate == MIN_RATE
    recovered = now
    while pacer.rate < 50:
        now = pacer.next_send_at
        pacer.record_send(now)
    assert now - recovered < 300


def test_growth():
    """The rate grows while requests wait for the pacer, and not while there are fewer than it allows."""
    pacer = Pacer()
    pacer.record_throttled(0, sent_at=0)
    now = 0.0
    while now < 5:
        pacer.record_send(now)
        now = pacer.next_send_at
    assert 1.3**4 < pacer.rate < 1.3**6
    rate = pacer.rate
    for second in range(10, 20):
        pacer.record_send(second)
    assert pacer.rate == rate


def test_start_pacing():
    """A pause starts pacing at `min_rate`, and the first 429 after it still measures the successes."""
    pacer = Pacer()
    pacer.start_pacing(0, min_rate=8)
    assert pacer.rate == 8
    for n in range(20):
        pacer.record_success(n / 20)
    pacer.record_throttled(0.99, sent_at=0.9)
    assert pacer.rate == pytest.approx(0.9 * 20)
