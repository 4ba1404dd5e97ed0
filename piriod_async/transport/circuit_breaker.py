"""Remembers that the server asked for more silence than `RetryPolicy.max_retry_after`."""

from attrs import define, field

from piriod_async.errors import APIStatusError


@define(eq=False)
class CircuitBreaker:
    """While it is open, the requests of a session fail without being sent. Does no I/O: the caller passes the time."""

    _error: APIStatusError | None = field(default=None, init=False)
    _open_until: float = field(default=0.0, init=False)  # seconds

    @property
    def is_open(self) -> bool:
        """Whether it was opened, and `check` has not yet found that the time is over."""
        return self._error is not None

    def open(self, error: APIStatusError, now: float) -> None:
        """Open it for the error's `retry_after`, unless it stays open longer than that anyway."""
        until = now + (error.retry_after or 0.0)
        if until > self._open_until:
            self._error, self._open_until = _copy(error), until

    def check(self, now: float) -> None:
        """Do nothing if it is closed.

        Raises:
            APIStatusError: It is open: a new error of the class that opened it, with the seconds left as `retry_after`.
        """
        if self._error is None:
            return
        left = self._open_until - now
        if left <= 0:
            self._error = None
            return
        error = _copy(self._error)
        error.attempts, error.workspace, error.retry_after = 0, None, left
        asked = f"an earlier request of this session got {error.status} with Retry-After: {self._error.retry_after:g}"
        error.args = (f"not sent: {asked} [retry after {left:.0f} s]",)
        raise error


def _copy(error: APIStatusError) -> APIStatusError:
    """Return an error without its traceback and causes, which `copy` keeps where tblib is installed, as Dask does."""
    twin = type(error)(*error.args)
    vars(twin).update(vars(error))
    return twin
