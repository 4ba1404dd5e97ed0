"""The results of a mirror: a sync, a run as the database remembers it, and a change."""

from datetime import datetime
from typing import Any, Literal, TypeAlias

from attrs import field, frozen

from piriod_async.errors import PiriodError, raise_errors
from piriod_async.models import Customer

ChangeKind: TypeAlias = Literal["added", "changed", "returned", "removed"]


@frozen(kw_only=True)
class Sync:
    """The outcome of a sync.

    Attributes:
        run: Number of the run; None if nothing was applied, because it was a dry run or every workspace failed.
        previous_run: Number of the last complete run before it, 0 for the first: `changes(since=previous_run)` are
            the changes of this one.
        added: Customers that the mirror had never had.
        changed: Customers whose record differs.
        returned: Customers that had been removed.
        removed: Customers that are gone, or no longer match the filters; None if nobody looked, as a quick sync does.
        unchanged: Customers whose record is the same, as far as it is compared.
        invalid: Records that were skipped (`on_invalid="skip"`).
        requests: Requests sent.
        quick: Whether the list was not read completely, because its newest changes explained its count.
        dry_run: Whether nothing was applied.
        workspaces: For many workspaces, the outcome of each that succeeded; the numbers above are the sums.
        errors: For many workspaces, the error of each that failed; its copy stays as it was.
    """

    run: int | None
    previous_run: int
    added: int = 0
    changed: int = 0
    returned: int = 0
    removed: int | None = 0
    unchanged: int = 0
    invalid: int = 0
    requests: int = 0
    quick: bool = False
    dry_run: bool = False
    workspaces: "dict[str, Sync]" = field(factory=dict, hash=False)
    errors: dict[str, PiriodError] = field(factory=dict, hash=False)

    def raise_for_errors(self) -> None:
        """Raise the `errors`, if there are any.

        Raises:
            ExceptionGroup: The `PiriodError` of each workspace that failed.
        """
        total = len(self.errors) + len(self.workspaces)
        raise_errors(self.errors, f"{len(self.errors)} of {total} workspaces failed")


@frozen(kw_only=True)
class Run:
    """A complete run that changed something.

    Attributes:
        run: Its number. Later runs have larger numbers; some are missing: runs that changed nothing, or failed.
        began: When it began: changes up to then are in the mirror.
        ended: When its changes became visible.
        added: Customers added.
        changed: Customers changed.
        returned: Customers returned.
        removed: Customers removed; None if nobody looked (a quick sync).
    """

    run: int
    began: datetime
    ended: datetime
    added: int
    changed: int
    returned: int
    removed: int | None


@frozen(kw_only=True)
class Change:
    """A change of a customer in one run.

    Attributes:
        run: Number of the run.
        kind: `"added"`, `"changed"`, `"returned"` (had been removed) or `"removed"`.
        workspace: Id of the workspace.
        id: Id of the customer.
        before: The customer before; if it returned, as it was when it was removed, unless that was pruned. None if it
            was added.
        after: The customer after; None if it was removed.
        fields: The fields that differ, of those that the run compared, with the values before and after. Empty if it
            was added or removed.
    """

    run: int
    kind: ChangeKind
    workspace: str
    id: str
    before: Customer | None
    after: Customer | None
    fields: dict[str, tuple[Any, Any]] = field(factory=dict, hash=False)
