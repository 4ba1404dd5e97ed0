"""The account behind a token: a limit of the API is per user, so sessions with one token share one."""

from attrs import define, field

from piriod_async.transport.circuit_breaker import CircuitBreaker
from piriod_async.transport.counters import RequestCounters
from piriod_async.transport.forks import notify_after_fork
from piriod_async.transport.retry_budget import RetryBudget
from piriod_async.transport.token_source import TokenSource


@define(eq=False)
class Account:
    """A token, and what is counted and limited for it.

    Attributes:
        tokens: The token, and how another one is had.
        counters: Counts all requests with it.
        retry_budget: Limits their retries.
        circuit: Makes requests fail unsent after a `Retry-After` that is too long to wait for.
    """

    tokens: TokenSource
    counters: RequestCounters = field(factory=RequestCounters, init=False)
    retry_budget: RetryBudget = field(factory=RetryBudget, init=False)
    circuit: CircuitBreaker = field(factory=CircuitBreaker, init=False)

    def __attrs_post_init__(self) -> None:
        notify_after_fork(self)

    def after_fork(self) -> None:
        """Start afresh in a forked process. Only a `Retry-After` that was too long to wait for still holds."""
        self.counters, self.retry_budget = RequestCounters(), RetryBudget()
        self.tokens.after_fork()
