"""Undoes what a run has written that is not, or will not be, complete."""

from piriod_async.mirror.database import Database


def undo(database: Database, runs: str, *parameters: object) -> None:
    """Drop the versions of runs, and reopen those that they closed. Call it in a transaction.

    Args:
        database: The database.
        runs: SQL that selects versions by a run, whose column is `{}`: `"{} > ?"`.
        *parameters: The parameters of it.
    """
    database.execute(f"delete from piriod_versions where {runs.format('run_from')}", parameters)
    database.execute(f"update piriod_versions set run_to = null, removed = 0 where {runs.format('run_to')}", parameters)
