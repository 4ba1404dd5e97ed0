"""How many retries a session may spend: a dead server gets a trickle, not attempts x pages x workspaces.

The idea is botocore's. Tokens are spent by retries and come back with successes, so a server that fails now and then is
never short of them, and one that fails always soon gets first attempts only.
"""

from attrs import define

from piriod_async.errors import APITimeoutError, PiriodError

TOKENS = 500
RETRY = 5
RETRY_AFTER_TIMEOUT = 10


@define
class Budget:
    """Tokens for retries, shared by all requests of a session.

    Attributes:
        tokens (int): How many are left.
    """

    tokens: int = TOKENS

    def spend(self, error: PiriodError) -> int | None:
        """Return the tokens that a retry after this failure cost, or None if there are too few."""
        cost = RETRY_AFTER_TIMEOUT if isinstance(error, APITimeoutError) else RETRY
        if cost > self.tokens:
            return None
        self.tokens -= cost
        return cost

    def succeed(self, spent: int) -> None:
        """Give back what the retry that succeeded cost; a first attempt that did earns one."""
        self.tokens = min(self.tokens + (spent or 1), TOKENS)
