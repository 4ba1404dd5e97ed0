"""Rate limiting with the sliding log of REST Framework's throttles."""

import time
from collections import deque
from math import ceil

from piriod_async.testing.mock_server.response import APIException


class RateLimit:
    """A limit on requests, kept as a log of when the recent ones were accepted.

    Args:
        rate: Requests per second; 0.5 allows one request every two seconds.
    """

    def __init__(self, rate: float) -> None:
        if rate <= 0:
            raise ValueError(f"rate={rate!r}: expected a number above 0")
        self._allowed = max(int(rate), 1)
        self._window = self._allowed / rate
        self._log: deque[float] = deque()

    def check_rate(self) -> None:
        """Accept a request and log it.

        Raises:
            APIException: 429 if the limit is exceeded. Rejected requests do not count towards it.
        """
        now = time.monotonic()
        while self._log and self._log[0] <= now - self._window:
            self._log.popleft()
        if len(self._log) >= self._allowed:
            wait = max(ceil(self._log[0] + self._window - now), 1)
            detail = f"Request was throttled. Expected available in {wait} second{'s' * (wait != 1)}."
            raise APIException(429, detail, {"Retry-After": str(wait)})
        self._log.append(now)
