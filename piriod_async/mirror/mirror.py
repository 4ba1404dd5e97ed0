"""The mirror: a copy of a list of customers in a database, with what was added, changed and removed."""

import os
from collections.abc import AsyncGenerator, Callable, Collection
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Self

from piriod_async.errors import QueryError
from piriod_async.listing import CustomerListing
from piriod_async.mirror import feed
from piriod_async.mirror.comparison import Comparison
from piriod_async.mirror.database import Database
from piriod_async.mirror.errors import MirrorError
from piriod_async.mirror.postgresql import PostgresDatabase, describe_dsn
from piriod_async.mirror.removal_limit import RemovalLimit
from piriod_async.mirror.results import Change, Run, Sync
from piriod_async.mirror.rows import plain
from piriod_async.mirror.schema import prepare
from piriod_async.mirror.sqlite import SqliteDatabase
from piriod_async.mirror.sync_run import SyncRun
from piriod_async.mirror.thread import DatabaseThread
from piriod_async.models import Customer
from piriod_async.transport.auth import Secret
from piriod_async.workspaces import WorkspaceListing

_SCHEMES = ("postgresql+psycopg", "postgresql", "postgres")


class Mirror:
    """A copy of a list of customers in SQLite or PostgreSQL, and its history.

    ```python
    async with PiriodSession.from_env() as piriod, Mirror("customers.db") as mirror:
        sync = await mirror.sync(piriod.customers())
        async for change in mirror.changes(since=sync.previous_run):
            print(change.kind, change.id, change.fields)
    ```

    The database is yours to query: the views `customers` and `changes` show the last complete run. A sync that fails,
    or whose process is killed, changes nothing in them.

    Args:
        database: Path of a SQLite file, which is created if it is missing; or a DSN of PostgreSQL,
            `postgresql://user:password@host/database`, for which the extra `mirror-postgres` is needed.
        ignore: Names of fields that are not compared, such as `("updated", "aggregations")`. They are still refreshed.

    Raises:
        MirrorError: The DSN is of another database.
        QueryError: `ignore` is not a collection of field names.
    """

    def __init__(self, database: str | os.PathLike[str], *, ignore: Collection[str] = ()) -> None:
        secret = Secret(database) if isinstance(database, str) else Secret("")
        if "://" in secret.reveal():
            database = describe_dsn(secret)  # from here on, tracebacks show no password
            scheme = secret.reveal().partition("://")[0]
            if scheme not in _SCHEMES:
                raise MirrorError(f"database={scheme}://…: expected postgresql://…, or the path of a SQLite file")
            connect: Callable[[], Database] = partial(PostgresDatabase.open, secret)
        elif "password=" in secret.reveal():
            database = ""
            raise MirrorError("database=…password=…: expected postgresql://…, or the path of a SQLite file")
        elif isinstance(database, str | os.PathLike) and os.fspath(database):
            connect = partial(SqliteDatabase.open, Path(database))
        else:
            given = "''" if database == "" else f"a {type(database).__name__}"
            database = ""  # a URL, or bytes, may have a password too
            raise MirrorError(f"database={given}: expected a path, or postgresql://… as a str")
        self._name = str(database)
        self._comparison = Comparison(ignore)
        self._thread = DatabaseThread(partial(_open, connect))

    async def sync(
        self,
        listing: CustomerListing | WorkspaceListing,
        *,
        max_removed: float = 0.2,
        accept_removed: int | None = None,
        quick: bool = False,
        dry_run: bool = False,
    ) -> Sync:
        """Make the mirror equal to a listing, and return what changed.

        A customer is removed only if the listing was read completely, and the customer is not there when it is asked
        for once more. Its versions stay, until they are pruned. Customers who no longer match the filters are removed
        too.

        Args:
            listing: A listing by `created`, or one of many workspaces. Each time it must be of the same server, filters
                and mode. A mirror of many workspaces keeps those that are left out as they were; more may be added.
            max_removed: How many customers of a workspace may be removed. A float is a share, of which 10 customers
                are always allowed if not all are gone; an int is a number.
            accept_removed: Allow as many as this, the number that a `TooManyRemovedError` named.
            quick: Read only what was changed last, if that explains the number of customers, and else everything. It
                cannot see changes that do not touch `updated`, such as sums over documents, nor who was removed while
                as many were added unseen, and removes nobody. `Sync.quick` says whether it was enough; if it was not,
                customers may be removed as without it.
            dry_run: Apply nothing. It still needs a database that can be written, where it compares.

        Raises:
            TooManyRemovedError: Too many customers are gone; nothing was applied.
            MirrorBusyError: Another sync is writing to the mirror.
            MirrorError: The mirror is of another listing, or the database failed.
            QueryError: The listing is not by `created`, or an argument is invalid.
            PiriodError: The listing failed; nothing was applied. For many workspaces with `on_error="collect"`, the
                error is in `Sync.errors`, and the others are applied.
        """
        run = SyncRun(self._thread, self._comparison, RemovalLimit(max_removed, accept_removed), quick, dry_run)
        return await run.sync(listing)

    async def changes(self, *, since: int = 0, until: int | None = None) -> AsyncGenerator[Change, None]:
        """Yield the changes of complete runs, in order.

        Args:
            since: The last run whose changes are known already.
            until: The last run to yield; by default the last complete one.

        Raises:
            MirrorError: The versions since then have been pruned, or a run is later than the last complete one.
            QueryError: An argument is not a run.
        """
        feed.check_run("since", since)
        if until is None:
            until = await self._thread.call(feed.last_run)
        feed.check_run("until", until)
        after = (since, "\U0010ffff", "")
        while changes := await self._thread.call(feed.changes, since, after, until):
            for change in changes:
                yield change
            last = changes[-1]
            after = last.run, last.workspace, plain(last.id)

    async def customers(self, *, at: int | None = None) -> AsyncGenerator[tuple[str, Customer], None]:
        """Yield `(workspace, customer)`, by workspace and id.

        Args:
            at: The run as of which; by default the last complete one.

        Raises:
            MirrorError: Its versions have been pruned, or there was no such run.
            QueryError: `at` is not a run.
        """
        if at is None:
            at = await self._thread.call(feed.last_run)
        feed.check_run("at", at)
        after = ("", "")
        while rows := await self._thread.call(feed.customers, at, after):
            for workspace, key, customer in rows:
                yield workspace, customer
                after = workspace, key

    async def find(self, **fields: str) -> list[tuple[str, Customer]]:
        """Return `(workspace, customer)` of the customers with exactly this value: `find(tax_id="76.123.456-7")`.

        Args:
            **fields: One of `id`, `tax_id`, `email` and `reference`.

        Raises:
            QueryError: It is another field, or not text.
        """
        if len(fields) != 1 or not fields.keys() <= set(feed.SEARCHABLE):
            raise QueryError(f"find({', '.join(fields)}): expected one of {', '.join(feed.SEARCHABLE)}")
        [(name, value)] = fields.items()
        if not isinstance(value, str):
            raise QueryError(f"{name}={value!r}: expected text (str)")
        return await self._thread.call(feed.find, name, plain(value))

    async def runs(self) -> list[Run]:
        """Return the complete runs that changed something, in order."""
        return await self._thread.call(feed.runs)

    async def complete_as_of(self, workspace: str | None = None) -> datetime | None:
        """Return when the last complete run began: up to then, the mirror has every change. None before the first.

        Args:
            workspace: Id of a workspace. Without it, a workspace that failed in that run may be older.
        """
        return await self._thread.call(feed.complete_as_of, workspace)

    async def prune(self, *, before: int) -> int:
        """Drop the versions that no run from `before` on has, those of removed customers too.

        `changes(since=…)` then refuses earlier runs, and a customer who comes back from before then is `"added"`.

        Returns:
            How many versions were dropped.

        Raises:
            MirrorError: The run is later than the last complete one, or earlier than what was pruned already.
            QueryError: `before` is not a run.
        """
        feed.check_run("before", before)
        return await self._thread.call(feed.prune, before)

    async def close(self) -> None:
        """Close the database. Closing it again does nothing; using it again raises."""
        await self._thread.close()

    aclose = close
    """The same, by the name that `contextlib.aclosing` calls."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {getattr(self, '_name', '')}>"


def _open(connect: Callable[[], Database]) -> Database:
    database = connect()
    try:
        database.set_up()
        prepare(database)
    except BaseException:
        database.close()
        raise
    return database
