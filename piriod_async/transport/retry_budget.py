"""A token bucket for retries, shared by all requests of a session.

Without it, a server that is down gets `attempts` requests for each page of each workspace. Retries withdraw tokens and
successes deposit them (botocore's standard retry mode does the same), so occasional failures never exhaust the budget,
and a server that always fails soon gets first attempts only.
"""

from attrs import define

from piriod_async.errors import APITimeoutError, PiriodError

CAPACITY = 500
RETRY_COST = 5
TIMEOUT_RETRY_COST = 10


@define
class RetryBudget:
    """Tokens left for retries."""

    tokens: int = CAPACITY

    def withdraw(self, error: PiriodError) -> int | None:
        """Pay for a retry after this error; return its cost, or None if the budget is exhausted."""
        cost = TIMEOUT_RETRY_COST if isinstance(error, APITimeoutError) else RETRY_COST
        if cost > self.tokens:
            return None
        self.tokens -= cost
        return cost

    def deposit(self, cost: int) -> None:
        """Refund the cost of a retry that succeeded; the success of a first attempt (cost 0) adds one token."""
        self.tokens = min(self.tokens + (cost or 1), CAPACITY)
