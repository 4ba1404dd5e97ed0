"""The errors of a mirror."""

from collections.abc import Sequence

from piriod_async.errors import PiriodError


class MirrorError(PiriodError):
    """The database cannot be used as this mirror, or failed. Nothing of the run is visible in it."""


class MirrorBusyError(MirrorError):
    """Another sync is writing to the mirror, or has taken it over."""


class TooManyRemovedError(MirrorError):
    """More customers are gone than a sync may remove, so nothing was applied.

    If they really are gone, `sync(…, accept_removed=error.removed)` removes as many, and no more.

    Attributes:
        removed: Number of customers that are gone.
        known: Number of customers that the mirror had.
        allowed: Number that might have been removed.
        names: Names of the first of them.
    """

    def __init__(
        self,
        message: str = "",
        *,
        removed: int = 0,
        known: int = 0,
        allowed: int = 0,
        names: Sequence[str] = (),
    ) -> None:
        super().__init__(message)
        self.removed = removed
        self.known = known
        self.allowed = allowed
        self.names = tuple(names)
