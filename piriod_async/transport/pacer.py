"""An adaptive request rate, learned from the 429s of the server.

Requests are not paced until the first 429. From then on they are sent one by one, at 0.9 of the rate of successes in
the second before it. While requests are waiting for the pacer, the rate grows by 30 % per second. Each later 429 cuts
the rate to 0.9 and the growth to a quarter, so the rate settles just below the server's limit and probes it now and
then. A 429 to a request that was sent before the last cut carries no new information. After a minute without a cut the
growth is multiplied by four again, so that a bad hour does not slow the session for long.

Adapting the number of requests in flight instead does not work: at 3 ms per request, one in flight is 300 per second.
"""

from collections import deque

from attrs import define, field

DECREASE_FACTOR = 0.9
MAX_GROWTH = 0.3  # per second
MIN_GROWTH = 0.003
MIN_RATE = 0.5  # requests per second; the pauses keep to a limit below that
GROWTH_RESET_AFTER = 60.0  # seconds
TIMER_TOLERANCE = 0.05  # seconds by which a timer may be late without lowering the rate
MEASURE_SECONDS = 1.0


@define
class Pacer:
    """Adaptive request rate: grows gently, is cut by 429s. Does no I/O: the caller passes the time, in seconds.

    Attributes:
        rate: Requests per second, or None if requests are not paced.
        growth: Relative growth of the rate per second.
        next_send_at: When the next request may be sent.
    """

    rate: float | None = None
    growth: float = MAX_GROWTH
    next_send_at: float = 0.0
    _last_send: float = 0.0
    _last_cut: float | None = None
    _growth_reset_at: float = 0.0
    _recent_successes: deque[float] = field(factory=deque, repr=False)

    def record_send(self, now: float) -> None:
        """Record that a request is sent now, and schedule the next one."""
        if (rate := self.rate) is None:
            return
        if now - self.next_send_at <= TIMER_TOLERANCE:  # the pacer held it back, not a pause or a lack of requests
            rate *= (1 + self.growth) ** (now - self._last_send)
            if now - self._growth_reset_at > GROWTH_RESET_AFTER:
                self.growth, self._growth_reset_at = min(self.growth * 4, MAX_GROWTH), now
        self.rate, self._last_send = rate, now
        self.next_send_at = max(self.next_send_at, now - TIMER_TOLERANCE) + 1 / rate

    def record_success(self, now: float) -> None:
        """Record a success; until the first 429, these measure the rate that the server accepts."""
        if self._last_cut is None:
            self._recent_successes.append(now)
            while self._recent_successes[0] <= now - MEASURE_SECONDS:
                self._recent_successes.popleft()

    def record_throttled(self, now: float, sent_at: float) -> None:
        """Start pacing, or cut the rate, after a 429 to a request that was sent at `sent_at`."""
        if self.rate is None or self._last_cut is None:
            self._start(now, min_rate=1.0)
        elif sent_at >= self._last_cut:
            self.rate = max(self.rate * DECREASE_FACTOR, MIN_RATE)
            self.growth = max(self.growth / 4, MIN_GROWTH)
        else:
            return
        self._last_cut = self._growth_reset_at = now

    def start_pacing(self, now: float, min_rate: float) -> None:
        """Pace the requests that a pause held back, so that they are not sent all at once when it ends."""
        if self.rate is None:
            self._start(now, min_rate)

    def _start(self, now: float, min_rate: float) -> None:
        recent = sum(success > now - MEASURE_SECONDS for success in self._recent_successes)
        self.rate = max(DECREASE_FACTOR * recent / MEASURE_SECONDS, min_rate)
        self.next_send_at = self._last_send = now
