"""Databases that cannot be a mirror: a clear error, nothing lost, and no password anywhere."""

import os
import sqlite3
import subprocess
import sys
import traceback
from contextlib import closing

import pytest
from yarl import URL

from piriod_async.mirror import Mirror, MirrorError, schema
from piriod_async.testing import MockServer
from tests.support.mirrors import changes_in, ids_in, query

pytestmark = pytest.mark.usefixtures("no_leaks")
SYNC_AS_NOBODY = """
import asyncio, os, sys
from piriod_async.mirror import Mirror, MirrorError
from piriod_async.testing import MockServer

async def main():
    async with MockServer(3) as server, server.session() as piriod:
        async with Mirror(":memory:") as mirror:
            await mirror.sync(piriod.customers())  # imports everything: nobody may not read this package, perhaps
        if os.geteuid() == 0:
            os.setuid(65534)
        async with Mirror(sys.argv[1]) as mirror:
            try:
                await mirror.sync(piriod.customers())
            except MirrorError as error:
                print(error)

asyncio.run(main())
"""
OPEN = """
import asyncio, sys
from piriod_async.mirror import Mirror

async def main():
    async with Mirror(sys.argv[1]) as mirror:
        await mirror.runs()

asyncio.run(main())
"""


async def opening(database):
    """Open a mirror."""
    async with Mirror(database) as mirror:
        await mirror.runs()


async def test_not_a_database(tmp_path):
    """A file that is no database is refused, and not touched."""
    path = tmp_path / "notes.txt"
    path.write_text("Not a database, but a text that is long enough to be one." * 50)
    before = path.read_bytes()
    with pytest.raises(MirrorError, match=r"notes\.txt: file is not a database"):
        await opening(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


async def test_unusable_paths(tmp_path):
    """A folder, or a file in a folder that is missing, is named."""
    with pytest.raises(MirrorError, match="expected a file, not a folder"):
        await opening(tmp_path)
    with pytest.raises(MirrorError, match="expected a file in a folder that exists"):
        await opening(tmp_path / "missing" / "mirror.db")
    with pytest.raises(MirrorError, match=r"aaa\.db: .+"):
        await opening(tmp_path / f"{'a' * 300}.db")
    for wrong in ("", None, 5, b"mirror.db"):
        with pytest.raises(MirrorError, match="database="):
            Mirror(wrong)


@pytest.mark.skipif(os.name == "nt" or sys.platform == "darwin", reason="runs as another user")
async def test_read_only_file(tmp_path):
    """A file that may not be written is an error that says so."""
    path = tmp_path / "mirror.db"
    await opening(path)
    path.chmod(0o444)
    if os.geteuid() == 0:  # who may write everything
        for folder in (tmp_path, *tmp_path.parents):  # one more in a worker of xdist
            if folder.stat().st_mode & 0o001:
                break
            folder.chmod(0o755)
    output = subprocess.run(  # noqa: ASYNC221
        [sys.executable, "-c", SYNC_AS_NOBODY, path], capture_output=True, text=True, check=True
    ).stdout
    assert "mirror.db: read-only: expected a file that can be written" in output
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


async def test_tables_of_another_program(database):
    """A database of another program is refused, with the name of a table, and nothing is added to it."""
    query(database, "create table customers (id integer)")
    with pytest.raises(MirrorError, match=r"customers.* another program|another program.*customers"):
        await opening(database)
    names = "select name from sqlite_master"
    if "://" in database:
        names = "select relname from pg_class where relnamespace = 'public'::regnamespace"
    assert query(database, names) == [("customers",)]


@pytest.mark.parametrize("scheme", ["postgresql+psycopg", "postgres"])
async def test_schemes(postgres_dsn, scheme):
    """The DSNs of SQLAlchemy and of libpq are understood."""
    async with Mirror(postgres_dsn.replace("postgresql", scheme)) as mirror:
        assert await mirror.runs() == []


async def test_beside_other_tables(postgres_dsn):
    """In PostgreSQL a mirror lives beside tables with other names, and in a schema of its own beside any."""
    query(postgres_dsn, "create table invoices (id integer)")
    await opening(postgres_dsn)
    query(postgres_dsn, "create schema piriod")
    own_schema = Mirror(f"{postgres_dsn}&options=-csearch_path%3Dpiriod")
    async with MockServer(3) as server, server.session() as piriod, own_schema as mirror:
        await mirror.sync(piriod.customers())
    assert query(postgres_dsn, "select count(*) from piriod.customers") == [(3,)]
    assert query(postgres_dsn, "select count(*) from public.customers") == [(0,)]


async def test_schema_with_a_quoted_name(postgres_dsn):
    """A mirror in a schema whose name has capitals is found again."""
    query(postgres_dsn, 'create schema "Piriod"')
    for _ in range(2):
        await opening(f"{postgres_dsn}&options=-csearch_path%3D%22Piriod%22")


async def test_missing_schema(postgres_dsn):
    """A schema that does not exist is an error that says so."""
    with pytest.raises(MirrorError, match="no schema has been selected to create in"):
        await opening(f"{postgres_dsn}&options=-csearch_path%3Dmissing")


async def test_order_of_a_language(postgres):
    """The feed is complete, and says nothing twice, in a database that sorts `a` before `B`, as English does."""
    with postgres.connect() as connection:
        settings = b"template template0 encoding 'utf8' locale_provider icu icu_locale 'en-US'"
        connection.execute(b"create database in_english " + settings)
    customers = [{"id": f"cus_{'aB'[number % 2]}{number}"} for number in range(700)]
    mirror = Mirror(postgres.dsn("in_english"))
    async with MockServer(customers) as server, server.session() as piriod, mirror:
        await mirror.sync(piriod.customers())
        for customer in server.customers()[400:]:
            server.remove(customer["id"])
        for customer in server.customers():
            server.update(customer["id"], name="Otro")
        await mirror.sync(piriod.customers(), max_removed=300)
        changes = await changes_in(mirror)
        assert len(changes) == len(set(changes)) == 1_400
        assert await changes_in(mirror, since=1) == changes[700:]
    with postgres.connect() as connection:
        connection.execute(b"drop database in_english")


async def test_newer_schema(database):
    """A mirror of a newer version of this library is refused, and not touched."""
    await opening(database)
    query(database, "update piriod_mirror set schema_version = 2")
    with pytest.raises(MirrorError, match="expected schema version 1 or earlier, got 2: upgrade piriod-async"):
        await opening(database)
    assert query(database, "select schema_version from piriod_mirror") == [(2,)]


async def test_migration(database, monkeypatch):
    """An older mirror is migrated step by step, in one transaction: all of it, or nothing."""
    async with MockServer(5) as server, server.session() as piriod:
        async with Mirror(database) as mirror:
            await mirror.sync(piriod.customers())
        steps = {1: ["alter table piriod_runs add column note text"], 2: ["update piriod_runs set note = 'migrated'"]}
        monkeypatch.setattr(schema, "SCHEMA_VERSION", 3)
        monkeypatch.setattr(schema, "MIGRATIONS", steps | {2: ["update piriod_runs set nonsense = 1"]})
        with pytest.raises(MirrorError, match="nonsense"):
            await opening(database)
        assert query(database, "select schema_version from piriod_mirror") == [(1,)]
        monkeypatch.setattr(schema, "MIGRATIONS", steps)
        async with Mirror(database) as mirror:
            assert len(await ids_in(mirror)) == 5
        assert query(database, "select note from piriod_runs") == [("migrated",)]
        assert query(database, "select schema_version from piriod_mirror") == [(3,)]


def test_two_create_at_once(database):
    """Two processes that create the same mirror at once both open it."""
    processes = [subprocess.Popen([sys.executable, "-c", OPEN, database]) for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0]


@pytest.mark.parametrize(
    "dsn",
    [
        *("mysql://user:hunter2@host/db", "sqlite:///customers.db", "://", "host=host dbname=db password=hunter2"),
        *(b"postgresql://user:hunter2@host/db", URL("postgresql://user:hunter2@host/db")),
    ],
)
def test_other_databases(dsn):
    """A DSN of another database, or of another kind, is refused, without its password."""
    with pytest.raises(MirrorError, match=r"expected .*postgresql://") as caught:
        Mirror(dsn)
    frames = caught.value.__traceback__.tb_next  # without this test's own
    report = traceback.TracebackException(MirrorError, caught.value, frames, capture_locals=True)
    assert "hunter2" not in "".join(report.format())


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://user:hunter2@127.0.0.1:1/customers",
        "postgresql+psycopg://user:hunter2@127.0.0.1:1/customers?connect_timeout=1",
        "postgres://127.0.0.1:1/customers?password=hunter2",
        "postgresql://user:hunter2@127.0.0.1:1/customers?nonsense=1",
        "postgresql://user:hunter2@[broken",
        "postgresql://user:hunter2%00@127.0.0.1:1/customers",
        "postgresql://user:12/hunter2@127.0.0.1:1/customers",
        "postgresql://user:p@hunter2.invalid/p@127.0.0.1:1/customers",
        "postgresql://user:p@hunter2.invalid@127.0.0.1:1/customers",
        "postgresql://user:p@127.0.0.1?hunter2@127.0.0.1:1/customers",
        "postgresql://user:hunter2?p@127.0.0.1:1/customers",
    ],
)
async def test_password_is_not_shown(dsn):
    """Whatever is wrong with a DSN, its password is in no message and in no traceback with local variables."""
    mirror = Mirror(dsn)
    assert "hunter2" not in repr(mirror)
    dsn = None
    with pytest.raises(MirrorError) as caught:
        await mirror.runs()
    await mirror.close()
    report = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert "hunter2" not in "".join(report.format())


async def test_missing_driver(monkeypatch):
    """Without psycopg the error names the extra to install."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    async with Mirror("postgresql://host/customers") as mirror:
        with pytest.raises(MirrorError, match=r"pip install 'piriod-async\[mirror-postgres\]'"):
            await mirror.runs()


def test_driver_is_imported_when_it_is_used():
    """The package imports no database; the mirror imports psycopg only for PostgreSQL."""
    script = """
import sys
before = set(sys.modules)  # coverage imports sqlite3
from piriod_async import PiriodSession
assert not {"sqlite3", "piriod_async.mirror"} & (set(sys.modules) - before)
from piriod_async.mirror import Mirror
Mirror("customers.db")
assert "psycopg" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True)


async def test_closed(tmp_path):
    """A closed mirror can be closed again, and raises if it is used."""
    mirror = Mirror(tmp_path / "mirror.db")
    await mirror.runs()
    await mirror.aclose()
    await mirror.close()
    with pytest.raises(MirrorError, match="closed"):
        await mirror.runs()


async def test_reader_beside_a_sync(tmp_path):
    """A program that reads the file does not hold a sync up, and sees one run throughout its transaction."""
    path = tmp_path / "mirror.db"
    async with MockServer(30) as server, server.session() as piriod, Mirror(path) as mirror:
        await mirror.sync(piriod.customers())
        with closing(sqlite3.connect(path, isolation_level=None)) as reader:
            reader.execute("begin")
            assert reader.execute("select count(*) from customers").fetchone() == (30,)
            server.add()
            await mirror.sync(piriod.customers())
            assert reader.execute("select count(*) from customers").fetchone() == (30,)
            reader.execute("commit")
            assert reader.execute("select count(*) from customers").fetchone() == (31,)
