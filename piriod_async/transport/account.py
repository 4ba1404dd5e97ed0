"""The account behind a token: a limit of the API is per user, so sessions with one token share one."""

from weakref import WeakValueDictionary

from attrs import define, field

from piriod_async.transport.circuit_breaker import CircuitBreaker
from piriod_async.transport.counters import RequestCounters
from piriod_async.transport.forks import notify_after_fork
from piriod_async.transport.rate_cap import RateCap
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
    _caps: "WeakValueDictionary[float, RateCap]" = field(factory=WeakValueDictionary, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        notify_after_fork(self)

    def cap(self, requests_per_second: float | None) -> RateCap | None:
        """Return the cap of the sessions with this token that have the same one."""
        if requests_per_second is None:
            return None
        cap = self._caps.get(requests_per_second)
        if cap is None:
            cap = self._caps[requests_per_second] = RateCap(requests_per_second)
        return cap

    def after_fork(self) -> None:
        """Start afresh in a forked process. Only a `Retry-After` that was too long to wait for still holds."""
        self.counters, self.retry_budget = RequestCounters(), RetryBudget()
        self.tokens.after_fork()
