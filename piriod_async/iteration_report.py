"""The report of an iteration: one line of the log, and the figures of an instrumentation."""

import logging
import time

from attrs import define, field

from piriod_async.transport.counters import RequestCounters
from piriod_async.transport.observer import ListingObserver

COMPLETE = "complete"
LEFT = "left"  # the consumer stopped iterating
logger = logging.getLogger("piriod_async")


@define(eq=False)
class IterationReport:
    """Reports an iteration, which has just begun.

    Attributes:
        workspace: Workspace id.
        counters: Its requests.
        observed: The instrumentation, if the session has one.
        outcome: How it ended: `COMPLETE`, `LEFT`, or the name of an error.
    """

    workspace: str
    counters: RequestCounters
    observed: ListingObserver | None
    outcome: str = LEFT
    _started_at: float = field(factory=time.monotonic, init=False)

    def delivered(self, customers: int) -> None:
        """Report how many customers have been delivered in total."""
        if self.observed:
            self.observed.delivered(customers)

    def end(self, customers: int) -> None:
        """Report the end."""
        logger.info(
            "listing workspace=%s outcome=%s delivered=%d requests=%d retries=%d seconds=%.3f",
            self.workspace,
            self.outcome,
            customers,
            self.counters.requests,
            self.counters.retries,
            time.monotonic() - self._started_at,
        )
        if self.observed:
            self.observed.delivered(customers)
            self.observed.ended(self.outcome)
