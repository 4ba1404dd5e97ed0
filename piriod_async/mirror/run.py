"""A run: begun, and then committed by one row, or abandoned."""

from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from time import time

from piriod_async.mirror import lock
from piriod_async.mirror.comparison import Comparison
from piriod_async.mirror.database import Database
from piriod_async.mirror.errors import MirrorError
from piriod_async.mirror.rows import to_text
from piriod_async.mirror.staging import BATCH, Staging, Tally
from piriod_async.mirror.undo import undo
from piriod_async.plain_data import from_json
from piriod_async.plain_text import shorten

MANY = 1_000  # changes after which the database counts its rows anew, to plan queries


def begin(database: Database, staging: Staging) -> None:
    """Begin a run, which has its number then, even if nobody waits for this any more.

    Raises:
        MirrorBusyError: Another sync is writing.
    """
    with database.transaction():
        taken = lock.take(database, time())
        _update_digests(database, staging.comparison)
    staging.run, staging.complete_run = taken.run, taken.complete_run


def _update_digests(database: Database, comparison: Comparison) -> None:
    """Compute the digests of living customers anew, if they are compared by other fields than in the last run."""
    [(key,)] = database.fetch("select digest_key from piriod_mirror")
    if key == comparison.key:
        return
    full = Comparison()
    position = ("", "")
    while key is not None:
        rows = database.fetch(
            "select workspace, id, record from piriod_versions where run_to is null and (workspace, id) > (?, ?) "
            "order by workspace, id limit ?",
            (*position, BATCH),
        )
        if not rows:
            break
        position = rows[-1][0], rows[-1][1]
        digests = []
        for workspace, id_, record in rows:
            customer = from_json(record)
            also = full.digest(customer) if comparison.ignore else None
            digests.append((comparison.digest(customer), also, workspace, id_))
        database.execute_many(
            "update piriod_versions set digest = ?, full_digest = ? where workspace = ? and id = ? and run_to is null",
            digests,
        )
    database.execute("update piriod_mirror set digest_key = ?", (comparison.key,))


def check_scope(database: Database, filters: str, workspace: str, origin: str, *, alone: bool) -> None:
    """Check that a listing is of what the mirror has.

    Args:
        database: The database.
        filters: The filters of the listing.
        workspace: Its workspace.
        origin: Where that is read.
        alone: Whether it is the listing of one workspace, not of many.

    Raises:
        MirrorError: The mirror has something else.
    """
    [(known,)] = database.fetch("select filters from piriod_mirror")
    if known is not None and known != filters:
        raise MirrorError(
            f"{database.name}: it mirrors customers with {known or 'no filters'}: expected a listing with the same, "
            f"got {filters or 'no filters'}"
        )
    rows = database.fetch("select origin from piriod_workspaces where workspace = ?", (workspace,))
    if rows and rows[0][0] != origin:
        got = f"workspace {workspace} at {rows[0][0]}: expected a listing of the same, got {origin}"
        raise MirrorError(f"{database.name}: it mirrors {got}")
    if not rows and alone:
        mirrored = database.fetch("select workspace from piriod_workspaces order by workspace")
        if mirrored:
            shown = shorten(", ".join(name for (name,) in mirrored), 200)
            raise MirrorError(
                f"{database.name}: it mirrors workspace {shown}: expected a listing of the same, got workspace "
                f"{workspace}. To add a workspace, list it together with the others: `across`"
            )


def commit(
    database: Database,
    staging: Staging,
    tallies: Collection[Tally],
    *,
    began: datetime,
    looked: bool,
    filters: str,
    origins: Mapping[str, str],
) -> None:
    """Make the run visible, and give the lock back.

    Args:
        database: The database.
        staging: The run.
        tallies: The differences that it found.
        began: When it began.
        looked: Whether it looked for customers that are gone.
        filters: As in `check_scope`.
        origins: Where each workspace is read that was.
    """
    staging.flush(database)
    has_changes = any(tally.has_changes for tally in tallies)
    with database.transaction():
        staging.renew(database)
        staging.settle(database)
        database.execute_many(
            "insert into piriod_workspaces (workspace, origin, complete_as_of, updated) values (?, ?, ?, ?) "
            "on conflict (workspace) do update "
            "set complete_as_of = excluded.complete_as_of, updated = excluded.updated",
            [
                (tally.workspace, origins[tally.workspace], to_text(began), tally.updated and to_text(tally.updated))
                for tally in tallies
            ],
        )
        if has_changes:
            added, changed, returned, removed = (
                sum(getattr(tally, name) for tally in tallies) for name in ("added", "changed", "returned", "removed")
            )
            database.execute(
                "insert into piriod_runs (run, began, ended, digest_key, added, changed, returned, removed) "
                "values (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    staging.run,
                    to_text(began),
                    to_text(datetime.now(UTC)),
                    staging.comparison.key,
                    added,
                    changed,
                    returned,
                    removed if looked else None,
                ),
            )
        database.execute(
            "update piriod_mirror set complete_run = ?, complete_as_of = ?, filters = ?",
            (staging.run, to_text(began), filters),
        )
        lock.release(database, staging.run)
    if has_changes and sum(tally.added for tally in tallies) > MANY:
        with suppress(MirrorError):  # the run is complete
            database.execute("analyze piriod_versions")


def abandon(database: Database, staging: Staging) -> None:
    """Drop everything staged, and give the lock back."""
    with database.transaction():
        staging.renew(database)
        undo(database, "{} = ?", staging.run)
        lock.release(database, staging.run)
