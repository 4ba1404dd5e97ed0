"""Reads a mirror: its changes, its customers as of a run, and its runs."""

from datetime import datetime
from operator import itemgetter
from typing import Any

from piriod_async.errors import QueryError
from piriod_async.mirror.comparison import Comparison, comparison_of
from piriod_async.mirror.database import Database
from piriod_async.mirror.errors import MirrorError
from piriod_async.mirror.results import Change, Run
from piriod_async.mirror.rows import to_datetime
from piriod_async.mirror.staging import BATCH
from piriod_async.models import Customer
from piriod_async.plain_data import from_json

SEARCHABLE = ("id", "tax_id", "email", "reference")
_VISIBLE = "run_from <= ? and (run_to is null or run_to > ?)"
_BEGUN = """
select version.run_from, version.kind, version.workspace, version.id, (
  select earlier.record from piriod_versions as earlier
  where earlier.workspace = version.workspace and earlier.id = version.id and earlier.run_to <= version.run_from
  order by earlier.run_to desc limit 1
), version.record
from piriod_versions as version
where (version.run_from, version.workspace, version.id) > (?, ?, ?) and version.run_from <= ?
order by version.run_from, version.workspace, version.id limit ?
"""
_REMOVED = """
select version.run_to, 'removed', version.workspace, version.id, version.record, null
from piriod_versions as version
where (version.run_to, version.workspace, version.id) > (?, ?, ?) and version.run_to <= ?
  and version.run_to is not null and version.removed = 1
order by version.run_to, version.workspace, version.id limit ?
"""


def check_run(name: str, run: object) -> None:
    """Check that a value is the number of a run.

    Raises:
        QueryError: It is not.
    """
    if not isinstance(run, int) or isinstance(run, bool) or run < 0:
        raise QueryError(f"{name}={run!r}: expected the number of a run, 0 or more")


def last_run(database: Database) -> int:
    """Return the number of the last complete run."""
    [(run,)] = database.fetch("select complete_run from piriod_mirror")
    return int(run)


def complete_as_of(database: Database, workspace: str | None) -> datetime | None:
    """Return when the last complete run began, of a workspace or of any."""
    if workspace is None:
        rows = database.fetch("select complete_as_of from piriod_mirror")
    else:
        rows = database.fetch("select complete_as_of from piriod_workspaces where workspace = ?", (workspace,))
    return next((to_datetime(began) for (began,) in rows if began), None)


def runs(database: Database) -> list[Run]:
    """Return the complete runs that changed something, in order."""
    rows = database.fetch("select run, began, ended, added, changed, returned, removed from piriod_runs order by run")
    return [
        Run(
            run=run,
            began=to_datetime(began),
            ended=to_datetime(ended),
            added=added,
            changed=changed,
            returned=returned,
            removed=removed,
        )
        for run, began, ended, added, changed, returned, removed in rows
    ]


def check_kept(database: Database, name: str, run: int) -> None:
    """Check that the versions of a run were not pruned.

    Raises:
        MirrorError: They were.
    """
    [(pruned, complete)] = database.fetch("select pruned_before, complete_run from piriod_mirror")
    if run < pruned:
        raise MirrorError(f"{database.name}: {name}={run}: expected {pruned} or later; what was before has been pruned")
    if run > complete:
        raise MirrorError(f"{database.name}: {name}={run}: expected {complete} or earlier, the last complete run")


def changes(database: Database, since: int, after: tuple[int, str, str], until: int) -> list[Change]:
    """Return the next changes of the runs after `since`.

    Args:
        database: The database.
        since: A run.
        after: Run, workspace and id of the last change that was returned.
        until: The last run.
    """
    check_kept(database, "until", until)  # first: what is read then was complete already
    rows = [row for sql in (_BEGUN, _REMOVED) for row in database.fetch(sql, (*after, until, BATCH))]
    check_kept(database, "since", since)  # last: it may have been pruned meanwhile
    rows = sorted(rows, key=itemgetter(0, 2, 3))[:BATCH]
    if not rows:
        return []
    keys = "select run, digest_key from piriod_runs where run >= ? and run <= ?"
    comparisons = {run: comparison_of(key) for run, key in database.fetch(keys, (rows[0][0], rows[-1][0]))}
    return [_change(comparisons[row[0]], row) for row in rows]


def _change(comparison: Comparison, row: tuple[Any, ...]) -> Change:
    run, kind, workspace, id_, before, after = row
    old = None if before is None else from_json(before)
    new = None if after is None else from_json(after)
    fields = comparison.differences(old, new) if old and new else {}
    known = new or old
    return Change(
        run=run,
        kind=kind,
        workspace=workspace,
        id=known.id if known else id_,
        before=old,
        after=new,
        fields=fields,
    )


def customers(database: Database, run: int, after: tuple[str, str]) -> list[tuple[str, str, Customer]]:
    """Return (workspace, key, customer) of the next customers as of a run, by workspace and id."""
    check_kept(database, "at", run)
    rows = database.fetch(
        f"select workspace, id, record from piriod_versions where (workspace, id) > (?, ?) and {_VISIBLE} "
        "order by workspace, id limit ?",
        (*after, run, run, BATCH),
    )
    check_kept(database, "at", run)  # it may have been pruned meanwhile
    return [(workspace, id_, from_json(record)) for workspace, id_, record in rows]


def find(database: Database, field: str, value: str) -> list[tuple[str, Customer]]:
    """Return (workspace, customer) of all customers with a value, as of the last complete run."""
    sql = f"select workspace, record from customers where {field} = ? order by workspace, id"
    return [(workspace, from_json(record)) for workspace, record in database.fetch(sql, (value,))]


def prune(database: Database, before: int) -> int:
    """Drop the versions that no run from `before` on has, and return how many there were."""
    with database.transaction():
        check_kept(database, "before", before)
        dropped = database.execute("delete from piriod_versions where run_to <= ?", (before,))
        database.execute("update piriod_mirror set pruned_before = ?", (before,))
    return dropped
