"""So many requests per second, counted as REST Framework's throttles count."""

import time
from collections import deque
from math import ceil

from piriod_async.testing.mock_server.response import Refusal


class RateLimit:
    """A sliding log of the requests let through.

    Args:
        rate: Requests per second; 0.5 is one in two seconds.
    """

    def __init__(self, rate: float) -> None:
        if rate <= 0:
            raise ValueError("a rate limit is above 0")
        self._allowed = max(int(rate), 1)
        self._window = self._allowed / rate
        self._log: deque[float] = deque()

    def admit(self) -> None:
        """Let a request through.

        Raises:
            Refusal: 429 if there have been too many; those that are refused do not count.
        """
        now = time.monotonic()
        while self._log and self._log[0] <= now - self._window:
            self._log.popleft()
        if len(self._log) >= self._allowed:
            wait = max(ceil(self._log[0] + self._window - now), 1)
            detail = f"Request was throttled. Expected available in {wait} second{'s' * (wait != 1)}."
            raise Refusal(429, detail, {"Retry-After": str(wait)})
        self._log.append(now)
