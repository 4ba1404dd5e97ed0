"""The customers that a listing did not have: whom to ask for once more, and how many are gone in the end."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from attrs import frozen

from piriod_async.mirror.database import Database
from piriod_async.mirror.rows import to_datetime, to_text
from piriod_async.mirror.staging import BATCH, FIRST, Staging, Tally

MAX_ASKED = 80  # living customers in a range in which somebody is missing: the request for it has one page
MAX_NAMES = 5
_MISSING = "select {columns} from piriod_versions where run_to = ? and workspace = ? and removed = 1 "
_LIVING = """
select count(*) from (
  select 1 from piriod_versions
  where workspace = ? and run_to is null and created >= ? and created <= ? limit ?
) as living
"""


@frozen
class Missing:
    """Customers that seem gone, with the range of `created` to ask for them."""

    ids: frozenset[str]
    first: datetime
    last: datetime


def find_missing(database: Database, staging: Staging, tally: Tally, after: Missing | None) -> list[Missing]:
    """Return customers that seem gone, in groups that one request asks for.

    Args:
        database: The database.
        staging: The run.
        tally: Of the workspace.
        after: The last group that was returned; None for the first ones.
    """
    staging.flush(database)
    columns, of = _MISSING.format(columns="id, created"), (staging.run, tally.workspace)
    position = to_text(after.last) if after else FIRST
    rows = database.fetch(columns + "and created > ? order by created, id limit ?", (*of, position, BATCH))
    if len(rows) == BATCH:  # all of the last instant, however many, so that the next ones are after it
        last = rows[-1][1]
        rows = [row for row in rows if row[1] != last]
        rows += database.fetch(columns + "and created = ?", (*of, to_text(to_datetime(last))))
    return list(_group(database, tally, [(id_, to_datetime(created)) for id_, created in rows]))


def _group(database: Database, tally: Tally, missing: Sequence[tuple[str, datetime]]) -> Iterator[Missing]:
    ids: list[str] = []
    first = last = None
    for id_, created in missing:
        if first is not None and last is not None and created != last:
            bounds = to_text(first), to_text(created)
            [(living,)] = database.fetch(_LIVING, (tally.workspace, *bounds, MAX_ASKED + 1))
            if living > MAX_ASKED:
                yield Missing(frozenset(ids), first, last)
                ids, first = [], None
        first, last = first or created, created
        ids.append(id_)
    if first is not None and last is not None:
        yield Missing(frozenset(ids), first, last)


def count_removed(database: Database, staging: Staging, tally: Tally) -> tuple[int, int, list[str]]:
    """Return how many customers are gone, how many the mirror had, and names of the first that are gone."""
    staging.flush(database)
    of = (staging.run, tally.workspace)
    [(removed,)] = database.fetch(_MISSING.format(columns="count(*)"), of)
    if not removed:
        return 0, 0, []
    before = "select count(*) from piriod_versions where run_from < ? and workspace = ?"
    [(living,)] = database.fetch(f"{before} and run_to is null", of)
    [(closed,)] = database.fetch(f"{before} and run_to = ?", (*of, staging.run))
    names = database.fetch(_MISSING.format(columns="name, id") + "order by created, id limit ?", (*of, MAX_NAMES))
    return removed, living + closed, [name or id_ for name, id_ in names]
