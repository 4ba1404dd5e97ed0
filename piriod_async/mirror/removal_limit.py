"""The guard: how many customers a sync may remove."""

from collections.abc import Sequence

from attrs import frozen

from piriod_async.errors import QueryError
from piriod_async.mirror.errors import TooManyRemovedError
from piriod_async.plain_text import shorten

ALWAYS_ALLOWED = 10  # customers, if the limit is a share
MAX_SHOWN_NAME = 60


@frozen
class RemovalLimit:
    """How many customers of a workspace may be removed.

    Args:
        max_removed: A float is a share of the customers, an int a number.
        accepted: A number that somebody has looked at.

    Raises:
        QueryError: An argument is something else.
    """

    max_removed: float
    accepted: int | None

    def __attrs_post_init__(self) -> None:
        limit, accepted = self.max_removed, self.accepted
        is_share = isinstance(limit, float) and 0 <= limit <= 1
        if not is_share and not _is_number(limit):
            raise QueryError(f"max_removed={limit!r}: expected a share from 0.0 to 1.0, or a whole number of customers")
        if accepted is not None and not _is_number(accepted):
            raise QueryError(f"accept_removed={accepted!r}: expected a whole number of customers, or None")

    def check(self, removed: int, known: int, names: Sequence[str], workspace: str) -> None:
        """Check how many customers are gone. If all are, a share allows no more than it says.

        Args:
            removed: How many are.
            known: How many the mirror had.
            names: Names of the first of them.
            workspace: Id of the workspace.

        Raises:
            TooManyRemovedError: It is too many.
        """
        allowed = int(self.max_removed)
        if isinstance(self.max_removed, float):
            allowed = int(self.max_removed * known)
            if removed < known:
                allowed = max(allowed, ALWAYS_ALLOWED)
        allowed = max(allowed, self.accepted or 0)
        if removed <= allowed:
            return
        shown = ", ".join(shorten(name, MAX_SHOWN_NAME) for name in names)
        more = ", …" if removed > len(names) else ""
        error = TooManyRemovedError(
            f"{removed:,} of {known:,} customers are gone ({shown}{more}), more than the {allowed:,} that may be "
            f"removed: nothing was changed. If that is right, sync with accept_removed={removed}",
            removed=removed,
            known=known,
            allowed=allowed,
            names=names,
        )
        error.workspace = workspace
        raise error


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
