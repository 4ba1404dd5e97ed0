"""The interface of an instrumentation: it observes listings, and the attempts that are sent for each."""

from typing import Protocol

from yarl import URL

from piriod_async.transport.attempts import RequestInfo


class AttemptObserver(Protocol):
    """Observes one attempt, from when it is sent."""

    def ended(self, duration: float, error: BaseException | None) -> None:
        """The attempt has ended.

        Args:
            duration: Seconds from sending to the last byte of the response or the failure, without decoding.
            error: Why it failed; a `CancelledError` if nobody waits for it any more.
        """


class ListingObserver(Protocol):
    """Observes one iteration of a listing, and each other method that reads."""

    def attempt_sent(self, request: RequestInfo, resend_count: int) -> AttemptObserver:
        """An attempt is sent, in the running task; `resend_count` attempts of the request were sent before."""
        ...

    def held_back(self, seconds: float) -> None:
        """The pace, a pause or the cap held back all requests of the token."""

    def delivered(self, customers: int) -> None:
        """The iteration has delivered this many customers in total."""

    def ended(self, outcome: str) -> None:
        """The iteration has ended: complete, left, or with an error of that name."""


class Observer(Protocol):
    """Observes a session."""

    def listing_started(self, url: URL, workspace: str) -> ListingObserver:
        """The first request of an iteration is about to be sent."""
        ...
