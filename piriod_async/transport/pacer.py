"""How fast a session may ask, learnt from the server's 429s.

Nothing is held back until the first. From then on requests leave one by one, at 0.9 of the answers that came in the
second before it, and that rate climbs by 30 % a second for as long as it is what holds them back. Each later 429 cuts
the rate to 0.9 of what it was, and the climb to a quarter: so the rate soon stays just under what the server allows,
and feels for more now and then. A 429 to a request sent before the last cut says nothing new. After a minute without
one the climb is four times as steep again: a bad hour is not held against a server for long.

(To adapt the number of requests under way cannot do it: at 3 ms a request, one under way is 300 a second.)
"""

from collections import deque

from attrs import define, field

SHARE = 0.9
FIRST_CLIMB = 0.3  # a second
LAST_CLIMB = 0.003
SLOWEST = 0.5  # a second: below that, a limit is kept by its pauses
QUIET = 60.0  # seconds
LATE = 0.05  # seconds by which a timer may be late, without the rate suffering from it
WINDOW = 1.0  # seconds


@define
class Pace:
    """The law, on a clock that its caller reads (seconds).

    Attributes:
        rate (float | None): Requests a second; None while nothing is held back.
        climb (float): By how much the rate grows in a second, as a share of it.
        next (float): When the next request may leave.
    """

    rate: float | None = None
    climb: float = FIRST_CLIMB
    next: float = 0.0
    _left: float = 0.0
    _cut: float | None = None
    _eased: float = 0.0
    _answers: deque[float] = field(factory=deque, repr=False)

    def leave(self, now: float) -> None:
        """Take note that a request leaves now, and when the next one may."""
        if (rate := self.rate) is None:
            return
        if now - self.next <= LATE:  # the pace is what held it back, no pause and no want of work
            rate *= (1 + self.climb) ** (now - self._left)
            if now - self._eased > QUIET:
                self.climb, self._eased = min(self.climb * 4, FIRST_CLIMB), now
        self.rate, self._left = rate, now
        self.next = max(self.next, now - LATE) + 1 / rate

    def answered(self, now: float) -> None:
        """Take note of an answer other than 429."""
        if self._cut is None:
            self._answers.append(now)
            while self._answers[0] <= now - WINDOW:
                self._answers.popleft()

    def refused(self, now: float, sent: float) -> None:
        """Take note of a 429 to a request that was sent then."""
        if self.rate is None or self._cut is None:
            self._begin(now, least=1.0)
        elif sent >= self._cut:
            self.rate = max(self.rate * SHARE, SLOWEST)
            self.climb = max(self.climb / 4, LAST_CLIMB)
        else:
            return
        self._cut = self._eased = now

    def spread(self, now: float, least: float) -> None:
        """Let those whom a pause held back leave one by one, at this rate or that of the last answers."""
        if self.rate is None:
            self._begin(now, least)

    def _begin(self, now: float, least: float) -> None:
        recent = sum(answer > now - WINDOW for answer in self._answers)
        self.rate = max(SHARE * recent / WINDOW, least)
        self.next = self._left = now
