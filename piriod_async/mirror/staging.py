"""The versions that a sync writes. They are in no view, and no reader sees them, until the run is complete."""

from collections.abc import Sequence
from datetime import datetime
from time import time
from typing import Any, TypeAlias

from attrs import define, field

from piriod_async.mirror import lock
from piriod_async.mirror.comparison import Comparison
from piriod_async.mirror.database import Database
from piriod_async.mirror.rows import created_text, plain, to_datetime, to_values
from piriod_async.mirror.schema import COLUMNS
from piriod_async.mirror.undo import undo
from piriod_async.models import Customer

MAX_STAGED = 1_000  # rows that are held back, and then written in one transaction
BATCH = 500
FIRST, LAST = "-infinity", "infinity"  # before and after every moment, also as text
Digests: TypeAlias = tuple[bytes, bytes | None]

_KEYS = ("workspace", "id", "run_from", "kind", "created", "digest", "full_digest")
_INSERT = (
    f"insert into piriod_versions ({', '.join((*_KEYS, *COLUMNS))}) "
    f"values ({', '.join('?' * (len(_KEYS) + len(COLUMNS)))}) on conflict (workspace, id, run_from) do update set "
    + ", ".join(f"{name} = excluded.{name}" for name in (*_KEYS[3:], *COLUMNS))
)
_OF_CUSTOMER = "where workspace = ? and id = ?"
_REMOVE = f"update piriod_versions set run_to = ?, removed = 1 {_OF_CUSTOMER} and run_from < ? and run_to is null"
_REPLACE = (
    f"update piriod_versions set run_to = ?, removed = 0 {_OF_CUSTOMER} and run_from < ? "
    "and (run_to is null or run_to = ?)"
)
_REOPEN = f"update piriod_versions set run_to = null, removed = 0 {_OF_CUSTOMER} and run_to = ?"
_LIVING = (
    "select id, digest, full_digest from piriod_versions "
    "where workspace = ? and run_to is null and created {} ? and created {} ? and run_from < ?"
)
_ASCENDING, _DESCENDING = _LIVING.format(">=", "<"), _LIVING.format(">", "<=")
_REFRESHED = ("digest", "full_digest", *COLUMNS)
_REFRESH = (
    f"update piriod_versions as old set run_to = null, {', '.join(f'{name} = new.{name}' for name in _REFRESHED)} "
    "from piriod_versions as new where new.run_from = ? and new.kind = 'refreshed' "
    "and old.workspace = new.workspace and old.id = new.id and old.run_to = new.run_from"
)


@define
class Tally:
    """The differences between the list and the mirror in one workspace.

    Attributes:
        workspace: Its id.
        is_new: Whether the mirror had nothing of it.
        updated: The newest `updated` that was known before anything was read.
    """

    workspace: str
    is_new: bool
    updated: datetime | None = None
    added: int = 0
    changed: int = 0
    returned: int = 0
    removed: int = 0
    unchanged: int = 0

    @property
    def has_changes(self) -> bool:
        """Whether there is anything to commit."""
        return bool(self.added or self.changed or self.returned or self.removed)


@define(eq=False)
class Staging:
    """Compares customers with the mirror, and stages what differs. Everything runs in the database's thread.

    Attributes:
        comparison: Compares customers.
        run: Number of the run; 0 before it has begun.
        complete_run: Number of the last complete run.
        refreshed: Whether there are versions that differ only in fields that are not compared.
    """

    comparison: Comparison
    run: int = 0
    complete_run: int = 0
    refreshed: bool = False
    _reopened: list[tuple[Any, ...]] = field(factory=list)
    _gone: list[tuple[Any, ...]] = field(factory=list)
    _replaced: list[tuple[Any, ...]] = field(factory=list)
    _inserted: list[tuple[Any, ...]] = field(factory=list)
    _full: Comparison = field(factory=Comparison)

    def start_workspace(self, database: Database, workspace: str) -> Tally:
        """Return an empty tally."""
        known = database.fetch("select 1 from piriod_versions where workspace = ? limit 1", (workspace,))
        newest = "select max(updated) from piriod_versions where workspace = ? and run_to is null"
        [(updated,)] = database.fetch(newest, (workspace,))
        return Tally(workspace, is_new=not known, updated=updated and to_datetime(updated))

    def compare_range(
        self, database: Database, tally: Tally, low: str, high: str, customers: Sequence[Customer], *, descending: bool
    ) -> None:
        """Compare the customers of a range of `created` with those of the mirror, and close those that are missing.

        The range includes the end at which it begins, and not the other one.
        """
        known: dict[str, Digests] = {}
        if not tally.is_new:
            sql = _DESCENDING if descending else _ASCENDING
            rows = database.fetch(sql, (tally.workspace, low, high, self.run))
            known = {id_: (digest, full) for id_, digest, full in rows}
        unknown = []
        for customer in customers:
            if old := known.pop(plain(customer.id), None):
                self._compare(tally, customer, old)
            else:
                unknown.append(customer)
        self._gone += [(self.run, tally.workspace, id_, self.run) for id_ in known]
        self.compare_customers(database, tally, unknown)

    def compare_customers(self, database: Database, tally: Tally, customers: Sequence[Customer]) -> None:
        """Compare customers with their latest versions, wherever those are."""
        latest: dict[str, tuple[int | None, Digests]] = {}
        if not tally.is_new:
            for start in range(0, len(customers), BATCH):
                ids = [plain(customer.id) for customer in customers[start : start + BATCH]]
                rows = database.fetch(
                    "select id, run_to, digest, full_digest from piriod_versions where workspace = ? and run_from < ? "
                    f"and id in ({', '.join('?' * len(ids))}) order by run_from",
                    (tally.workspace, self.run, *ids),
                )
                latest |= {id_: (run_to, (digest, full)) for id_, run_to, digest, full in rows}
        for customer in customers:
            key = plain(customer.id)
            run_to, old = latest.get(key, (None, None))
            if old is None:
                tally.added += 1
                self._insert(tally, customer, "added", self._digests(customer))
            elif run_to not in (None, self.run):
                tally.returned += 1
                self._insert(tally, customer, "returned", self._digests(customer))
            else:
                if run_to:
                    self._reopened.append((tally.workspace, key, self.run))
                self._compare(tally, customer, old)
        if sum(map(len, self._staged)) >= MAX_STAGED:
            self.flush(database)

    def _compare(self, tally: Tally, customer: Customer, old: Digests) -> None:
        new = self._digests(customer)
        if new == old:
            tally.unchanged += 1
            return
        if new[0] == old[0]:
            tally.unchanged += 1
            self.refreshed = True
            kind = "refreshed"
        else:
            tally.changed += 1
            kind = "changed"
        self._replaced.append((self.run, tally.workspace, plain(customer.id), self.run, self.run))
        self._insert(tally, customer, kind, new)

    def _digests(self, customer: Customer) -> Digests:
        digest = self.comparison.digest(customer)
        return digest, self._full.digest(customer) if self.comparison.ignore else None

    def _insert(self, tally: Tally, customer: Customer, kind: str, digests: Digests) -> None:
        keys = (tally.workspace, plain(customer.id), self.run, kind, created_text(customer), *digests)
        self._inserted.append((*keys, *to_values(customer)))

    def flush(self, database: Database) -> None:
        """Write everything that was held back.

        Raises:
            MirrorBusyError: Another sync has taken the mirror over.
        """
        if any(self._staged):
            with database.transaction():
                self.renew(database)
                database.execute_many(_REOPEN, self._reopened)
                database.execute_many(_REMOVE, self._gone)
                database.execute_many(_REPLACE, self._replaced)  # even if it seemed gone in its old place
                database.execute_many(_INSERT, self._inserted)
            for rows in self._staged:
                rows.clear()

    @property
    def _staged(self) -> tuple[list[tuple[Any, ...]], ...]:
        return self._reopened, self._gone, self._replaced, self._inserted

    def renew(self, database: Database) -> None:
        """Keep the lock."""
        lock.renew(database, self.run, time())

    def keep(self, tally: Tally, ids: Sequence[str]) -> None:
        """Keep customers that seemed gone as they were."""
        self._reopened += [(tally.workspace, id_, self.run) for id_ in ids]
        tally.unchanged += len(ids)

    def discard(self, database: Database, workspace: str) -> None:
        """Drop everything staged for a workspace."""
        self._reopened = [row for row in self._reopened if row[0] != workspace]
        self._gone = [row for row in self._gone if row[1] != workspace]
        self._replaced = [row for row in self._replaced if row[1] != workspace]
        self._inserted = [row for row in self._inserted if row[0] != workspace]
        with database.transaction():
            self.renew(database)
            undo(database, "workspace = ? and {} = ?", workspace, self.run)

    def settle(self, database: Database) -> None:
        """Put versions that differ only in fields that are not compared in the place of the old ones."""
        if self.refreshed:
            database.execute(_REFRESH, (self.run,))
            database.execute("delete from piriod_versions where run_from = ? and kind = 'refreshed'", (self.run,))
