"""The tables of a mirror, and the two views that people query.

- `piriod_versions` has every version of every customer. It is in the mirror from the run `run_from` until the run
  `run_to`, if that is not null; `removed` is 1 if the customer was removed then. Versions of a run that is not complete
  are there, but in no view.
- `piriod_runs` has the complete runs that changed something, and by which fields they compared.
- `piriod_workspaces` has the workspaces, where each is read, when its last complete run began, and the newest `updated`
  that was known before it read anything.
- `piriod_mirror` has one row: the last complete run, and the lock of the sync that writes.
- `customers` is a view of the customers as of the last complete run.
- `changes` is a view of all changes, by run.

Moments are UTC: `timestamptz` in PostgreSQL, ISO 8601 text in SQLite, which sorts. Amounts are `numeric` in PostgreSQL
and exact text in SQLite: `cast(balance as real)`, or as integer for currencies without cents. `record` is the complete
customer as JSON.
"""

from collections.abc import Mapping, Sequence

from piriod_async.mirror.database import Database
from piriod_async.mirror.errors import MirrorError

SCHEMA_VERSION = 1
MIGRATIONS: Mapping[int, Sequence[str]] = {}
"""The statements that make the next version from each one."""
COLUMNS = (
    *("name", "email", "phone", "tax_id", "reference", "status", "country", "currency"),
    *("sales", "sales_current_period", "balance", "updated", "record"),
)
"""The columns of a version besides its keys and digests."""

_SCHEMA = """
create table piriod_mirror (
  id integer primary key check (id = 1),
  schema_version integer not null,
  digest_key text,
  filters text,
  fence bigint not null,
  complete_run bigint not null,
  complete_as_of {moment},
  pruned_before bigint not null,
  lock_run bigint,
  lock_owner text,
  lock_expires bigint
);
insert into piriod_mirror (id, schema_version, fence, complete_run, pruned_before) values (1, {version}, 0, 0, 0);
create table piriod_runs (
  run bigint primary key,
  began {moment} not null,
  ended {moment} not null,
  digest_key text not null,
  added bigint not null,
  changed bigint not null,
  returned bigint not null,
  removed bigint
);
create table piriod_workspaces (
  workspace {key} primary key,
  origin text not null,
  complete_as_of {moment} not null,
  updated {moment}
);
create table piriod_versions (
  workspace {key} not null,
  id {key} not null,
  run_from bigint not null,
  run_to bigint,
  removed integer not null default 0,
  kind text not null,
  created {moment} not null,
  digest {bytes} not null,
  full_digest {bytes},
  name text,
  email text,
  phone text,
  tax_id text,
  reference text,
  status text,
  country text,
  currency text,
  sales {amount},
  sales_current_period {amount},
  balance {amount},
  updated {moment},
  record {json} not null,
  primary key (workspace, id, run_from)
);
create index piriod_versions_living on piriod_versions (workspace, created, id, run_from, digest, full_digest)
  where run_to is null;
create index piriod_versions_updated on piriod_versions (workspace, updated) where run_to is null;
create index piriod_versions_begun on piriod_versions (run_from, workspace, id);
create index piriod_versions_ended on piriod_versions (run_to, workspace, id) where run_to is not null;
create index piriod_versions_tax_id on piriod_versions {equality} (tax_id);
create index piriod_versions_email on piriod_versions {equality} (email);
create index piriod_versions_reference on piriod_versions {equality} (reference);
create view customers as
  select version.workspace, version.id, version.name, version.email, version.phone, version.tax_id, version.reference,
    version.status, version.country, version.currency, version.sales, version.sales_current_period, version.balance,
    version.created, version.updated, version.record
  from piriod_mirror as mirror
  join piriod_versions as version
    on version.run_from <= mirror.complete_run
    and (version.run_to is null or version.run_to > mirror.complete_run);
create view changes as
  select version.run_from as run, version.kind, version.workspace, version.id, (
    select earlier.record from piriod_versions as earlier
    where earlier.workspace = version.workspace and earlier.id = version.id and earlier.run_to <= version.run_from
    order by earlier.run_to desc limit 1
  ) as before, version.record as after
  from piriod_mirror as mirror
  join piriod_versions as version
    on version.run_from <= mirror.complete_run and version.run_from > mirror.pruned_before
  union all
  select version.run_to as run, 'removed' as kind, version.workspace, version.id, version.record as before,
    null as after
  from piriod_mirror as mirror
  join piriod_versions as version
    on version.run_to <= mirror.complete_run and version.run_to > mirror.pruned_before and version.removed = 1
"""


def prepare(database: Database) -> None:
    """Create the tables, or migrate them to the version of this library, in a transaction.

    Raises:
        MirrorError: The tables are another program's, or of a newer version.
    """
    if database.objects(["piriod_mirror"]) and _version(database) == SCHEMA_VERSION:
        return
    with database.transaction():
        database.execute(database.lock_schema)
        if not database.objects(["piriod_mirror"]):
            database.check_empty()
            for statement in _SCHEMA.format(version=SCHEMA_VERSION, **database.types).split(";\n"):
                database.execute(statement)
            return
        [(version,)] = database.fetch(f"select schema_version from piriod_mirror{database.for_update}")
        for each in range(version, SCHEMA_VERSION):  # from 1: every version has a migration
            for statement in MIGRATIONS[each]:
                database.execute(statement)
        database.execute("update piriod_mirror set schema_version = ?", (SCHEMA_VERSION,))


def _version(database: Database) -> int:
    [(version,)] = database.fetch("select schema_version from piriod_mirror")
    if version > SCHEMA_VERSION:
        upgrade = "upgrade piriod-async, which wrote it"
        raise MirrorError(
            f"{database.name}: expected schema version {SCHEMA_VERSION} or earlier, got {version}: {upgrade}"
        )
    return int(version)
