"""The `sync` command."""

import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from importlib.resources import files

import duckdb
import pytest

from piriod_async.cli.commands import cli
from piriod_async.cli.messages import CommandError
from piriod_async.testing import MockServer, Unchecked
from tests.support.command import env_of, run_process, start_process
from tests.support.mirrors import query
from tests.support.reports import report_of, without_callers
from tests.support.tasks import until
from tests.support.terminal import Terminal


def counts(added=0, changed=0, returned=0, removed=0, unchanged=0):
    """Return the counts as the summary has them."""
    return f"{added:,} added, {changed:,} changed, {returned:,} returned, {removed:,} removed, {unchanged:,} unchanged"


def customer_ids(database):
    """Return the ids in the view of customers."""
    return {name for (name,) in query(str(database), "select id from customers")}


async def test_summary(run_cli_in_thread, tmp_path):
    """Each run says what it added, changed and removed, and how many requests that took."""
    database = tmp_path / "customers.db"
    async with MockServer(250) as server:
        first = await run_cli_in_thread("sync", database, **env_of(server))
        requests = len(server.requests)
        assert (first.returncode, first.stderr) == (0, "")
        assert first.stdout == f"run 1: {counts(added=250)} ({requests} requests)\n"
        one, other, *_ = customer_ids(database)
        server.remove(one)
        server.update(other, email="new@example.cl")
        new = {server.add(), server.add()}
        second = await run_cli_in_thread("sync", database, **env_of(server))
        changed = counts(added=2, changed=1, removed=1, unchanged=248)
        assert second.stdout == f"run 2: {changed} ({len(server.requests) - requests} requests)\n"
        assert customer_ids(database) == {row["id"] for row in server.customers()}
    assert new <= customer_ids(database)
    assert one not in customer_ids(database)


def test_mock(run_cli, tmp_path):
    """The mock server is the same server in each run: a second sync finds nothing to change."""
    for run, expected in enumerate([counts(added=300), counts(unchanged=300)], 1):
        done = run_cli("sync", tmp_path / "a.db", "--mock", "300")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"run {run}: {expected} (")
    assert len(customer_ids(tmp_path / "a.db")) == 300


async def test_dry_run(run_cli_in_thread, tmp_path):
    """`--dry-run` says what would change, and changes nothing."""
    database = tmp_path / "a.db"
    async with MockServer(120) as server:
        done = await run_cli_in_thread("sync", database, "--dry-run", **env_of(server))
        assert done.returncode == 0
        assert done.stdout.startswith(f"dry run, nothing changed: {counts(added=120)} (")
        await run_cli_in_thread("sync", database, **env_of(server))
        before = customer_ids(database)
        server.remove(next(iter(before)))
        done = await run_cli_in_thread("sync", database, "--dry-run", **env_of(server))
        assert done.stdout.startswith(f"dry run, nothing changed: {counts(removed=1, unchanged=119)} (")
    assert customer_ids(database) == before


async def test_too_many_removed(run_cli_in_thread, tmp_path):
    """Exit code 4 names the option that accepts the removals; it accepts no more than its number."""
    database = tmp_path / "a.db"
    async with MockServer(100) as server:
        await run_cli_in_thread("sync", database, **env_of(server))
        before = customer_ids(database)
        for name in sorted(before)[:30]:
            server.remove(name)
        refused = await run_cli_in_thread("sync", database, **env_of(server))
        assert (refused.returncode, refused.stdout) == (4, "")
        [way_out] = re.findall(r"--accept-removed \d+", refused.stderr)
        assert way_out == "--accept-removed 30"
        fewer = await run_cli_in_thread("sync", database, "--accept-removed", 29, **env_of(server))
        assert fewer.returncode == 4
        assert customer_ids(database) == before
        accepted = await run_cli_in_thread("sync", database, *way_out.split(), **env_of(server))
        assert accepted.returncode == 0
        assert f": {counts(removed=30, unchanged=70)} (" in accepted.stdout


@pytest.mark.parametrize(("limit", "code"), [("29", 4), ("29%", 4), ("30", 0), ("30%", 0), ("100%", 0)])
async def test_max_removed(limit, code, run_cli_in_thread, tmp_path):
    """`--max-removed` is a number or a share."""
    async with MockServer(100) as server:
        await run_cli_in_thread("sync", tmp_path / "a.db", **env_of(server))
        for name in sorted(customer_ids(tmp_path / "a.db"))[:30]:
            server.remove(name)
        done = await run_cli_in_thread("sync", tmp_path / "a.db", "--max-removed", limit, **env_of(server))
    assert done.returncode == code


async def test_failed_workspace(run_cli_in_thread, tmp_path):
    """A workspace that fails has a line and exit code 3; the others are in the mirror."""
    (tmp_path / "list").write_text("acc_1\nacc_2\nacc_3\n")
    command = ("sync", tmp_path / "a.db", "--workspaces-file", tmp_path / "list")
    async with MockServer({"acc_1": 120, "acc_2": 130, "acc_3": 0}) as server:
        server.fail(status=403, times=None, workspace="acc_2")
        done = await run_cli_in_thread(*command, **env_of(server))
        assert done.returncode == 3
        assert f": {counts(added=120)} (" in done.stdout
        first, second = done.stderr.splitlines()
        assert first.startswith("piriod-async: acc_2: ")
        assert first.endswith("; check the workspace id, and that the token has access to it")
        assert second == "piriod-async: 1 of 3 workspaces failed: acc_2"
        server.clear_faults()
        done = await run_cli_in_thread(*command, **env_of(server))
        assert (done.returncode, done.stderr) == (0, "")
        assert f": {counts(added=130, unchanged=120)} (" in done.stdout
        for name in sorted(row["id"] for row in server.customers("acc_1"))[:60]:
            server.remove(name)
        done = await run_cli_in_thread(*command, **env_of(server))
        assert done.returncode == 4
        assert "--accept-removed 60" in done.stderr


async def test_every_workspace_failed(run_cli_in_thread, tmp_path):
    """If every workspace fails there is no summary, and the mirror stays as it was."""
    command = ("sync", tmp_path / "a.db", "--workspace", "acc_1", "--workspace", "acc_2", "--country", "CL")
    async with MockServer({"acc_1": 120, "acc_2": 130}) as server:
        await run_cli_in_thread(*command, **env_of(server))
        before = customer_ids(tmp_path / "a.db")
        server.fail(status=403, times=None)
        done = await run_cli_in_thread(*command, **env_of(server))
        assert (done.returncode, done.stdout) == (3, "")
        assert done.stderr.endswith("\npiriod-async: 2 of 2 workspaces failed: acc_1, acc_2\n")
        server.clear_faults()
        done = await run_cli_in_thread(*command, **env_of(server))
        assert (done.returncode, done.stderr) == (0, "")
    assert f": {counts(unchanged=len(before))} (" in done.stdout


async def test_only_workspace(run_cli_in_thread, tmp_path):
    """A single workspace that fails ends the command as elsewhere, also if a file names it."""
    (tmp_path / "list").write_text("acc_mock\n")
    for options in ((), ("--workspaces-file", tmp_path / "list")):
        async with MockServer(30) as server:
            command = ("sync", tmp_path / f"{len(options)}.db", *options)
            await run_cli_in_thread(*command, **env_of(server))
            for row in server.customers():
                server.remove(row["id"])
            refused = await run_cli_in_thread(*command, **env_of(server))
            denied = await run_cli_in_thread(*command, **env_of(server, PIRIOD_TOKEN="wrong-token"))
        assert (refused.returncode, refused.stdout) == (4, "")
        assert "sync with --accept-removed 30" in refused.stderr
        assert (denied.returncode, denied.stdout) == (1, "")
        assert denied.stderr.splitlines()[1] == "check the token: was it replaced by a newer one? A user has only one"


async def test_accounts(run_cli_in_thread, tmp_path):
    """The workspaces of several accounts are in one mirror."""
    accounts = '[[accounts]]\nworkspace = "{}"\ntoken_variable = "TOKEN_{}"\n'
    (tmp_path / "accounts.toml").write_text(accounts.format("acc_1", "A") + accounts.format("acc_2", "B"))
    async with MockServer({"acc_1": 2, "acc_2": 3}, tokens={"acc_1": "token-a", "acc_2": "token-b"}) as server:
        env = {"PIRIOD_BASE_URL": server.url, "TOKEN_A": "token-a", "TOKEN_B": "token-b"}
        done = await run_cli_in_thread("sync", tmp_path / "a.db", "--accounts", tmp_path / "accounts.toml", **env)
    assert (done.returncode, done.stderr) == (0, "")
    assert f": {counts(added=5)} (" in done.stdout


async def test_filters(run_cli_in_thread, tmp_path):
    """Filters are sent, and belong to the mirror: another listing is refused."""
    command = ("sync", tmp_path / "a.db")
    async with MockServer(200) as server:
        expected = {row["id"] for row in server.customers() if row["country"]["id"] == "CL"}
        done = await run_cli_in_thread(*command, "--country", "CL", **env_of(server))
        assert (done.returncode, customer_ids(tmp_path / "a.db")) == (0, expected)
        assert all(request.params["country"] == "CL" for request in server.requests)
        server.requests.clear()
        other = await run_cli_in_thread(*command, **env_of(server))
        assert (other.returncode, customer_ids(tmp_path / "a.db"), server.requests) == (1, expected, [])
        assert "country=CL" in other.stderr


async def test_ignore(run_cli_in_thread, tmp_path):
    """A field of `--ignore` may change."""
    command = ("sync", tmp_path / "a.db", "--ignore", "updated", "--ignore", "phone")
    async with MockServer(20) as server:
        await run_cli_in_thread(*command, **env_of(server))
        one, other = sorted(customer_ids(tmp_path / "a.db"))[:2]
        server.update(one, phone="+56 2 2345 6789")
        server.update(other, email="new@example.cl")
        done = await run_cli_in_thread(*command, **env_of(server))
    assert f": {counts(changed=1, unchanged=19)} (" in done.stdout


async def test_quick_was_not_enough(run_cli_in_thread, tmp_path):
    """If `--quick` does not explain how many customers there are, all are read, and it says so."""
    async with MockServer(300) as server:
        await run_cli_in_thread("sync", tmp_path / "a.db", **env_of(server))
        server.remove(next(iter(customer_ids(tmp_path / "a.db"))))
        done = await run_cli_in_thread("sync", tmp_path / "a.db", "--quick", **env_of(server))
    assert done.returncode == 0
    expected = f"run 2, read completely because quick was not enough: {counts(removed=1, unchanged=299)} ("
    assert done.stdout.startswith(expected)


async def test_quick(run_cli_in_thread, tmp_path):
    """`--quick` sends fewer requests, and says that nobody looked for removals."""
    async with MockServer(1_000) as server:
        await run_cli_in_thread("sync", tmp_path / "a.db", **env_of(server))
        server.requests.clear()
        server.update(next(iter(customer_ids(tmp_path / "a.db"))), email="new@example.cl")
        done = await run_cli_in_thread("sync", tmp_path / "a.db", "--quick", **env_of(server))
        assert len(server.requests) <= 6
    assert done.returncode == 0
    assert re.match(
        r"run 2, quick: 0 added, 1 changed, 0 returned, .*unchanged, removals not looked for \(", done.stdout
    )


async def test_skip_invalid(run_cli_in_thread, tmp_path):
    """Customers that cannot be decoded are reported with exit code 3, or end the sync."""
    async with MockServer(30) as server:
        server.update(server.customers()[7]["id"], name=Unchecked(5))
        done = await run_cli_in_thread("sync", tmp_path / "a.db", **env_of(server))
        assert (done.returncode, done.stdout) == (1, "")
        assert "use --skip-invalid" in done.stderr
        done = await run_cli_in_thread("sync", tmp_path / "a.db", "--skip-invalid", **env_of(server))
    assert done.returncode == 3
    assert f": {counts(added=29)} (" in done.stdout
    assert "customers left as they were because they cannot be decoded: 1 (results[7].name: " in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--max-removed", "0.2"], "'0.2': expected a share of the customers, such as 20%, or a number, such as 50"),
        (["--max-removed", "101%"], "'101%': expected a share"),
        (["--max-removed", "-1"], "'-1': expected a share"),
        (["--accept-removed", "0"], "--accept-removed"),
        (["--ordering", "name"], "No such option"),
        (["--ignore", "colour"], "--ignore 'colour'"),
        (["--country", " "], "--country ' ': expected text that is not blank"),
        (["--page-size", "5"], "--page-size 5: expected 10 or more"),
        (["--token-file", "token"], "--mock cannot be combined with --token-file"),
    ],
)
def test_wrong_usage(arguments, message, run_cli, tmp_path, monkeypatch):
    """The exit code is 2, the message names the option, and no database is made."""
    monkeypatch.chdir(tmp_path)
    done = run_cli("sync", "a.db", "--mock", "3", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.count("\n") <= 2
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("database", "message"),
    [
        ("mysql://me@127.0.0.1/erp", "mysql://…: expected postgresql://…, or the path of a SQLite file"),
        ("sqlite:///a.db", "sqlite://…: expected postgresql://…, or the path of a SQLite file"),
        ("sqlite://", "sqlite://…: expected postgresql://…, or the path of a SQLite file"),
        ("", "'': expected a path, or postgresql://…"),
        (":memory:", ":memory: is in memory, and gone when the command ends: expected the path of a file"),
        ("./:memory:", " is in memory, and gone when the command ends"),
        ("file::memory:?cache=shared", " is in memory, and gone when the command ends"),
        ("file:a?mode=memory", " is in memory, and gone when the command ends"),
    ],
)
def test_not_a_database(database, message, run_cli, tmp_path, monkeypatch):
    """A URL of another database, and one that forgets everything, are wrong usage."""
    monkeypatch.chdir(tmp_path)
    for command in (("sync", database, "--mock", "3"), ("changes", database)):
        done = run_cli(*command)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("piriod-async: Invalid value for 'DATABASE': ")
        assert message in done.stderr
        assert done.stderr.count("\n") == 2
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["mode=memory.db", "a:memory:b.db"])
def test_file_that_only_sounds_like_memory(name, run_cli, tmp_path):
    """A path is in memory only if SQLite takes it so."""
    done = run_cli("sync", tmp_path / name, "--mock", "3")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / name).is_file()


def test_unusable_database(run_cli, tmp_path):
    """A path that is no mirror is refused, and not changed."""
    (tmp_path / "text.db").write_text("not a database, but a text that is long enough to look like one" * 9)
    with closing(sqlite3.connect(tmp_path / "other.db")) as connection:
        connection.execute("create table customers (id text)")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for database in (*before, tmp_path / "missing" / "a.db", tmp_path):
        done = run_cli("sync", database, "--mock", "3")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"piriod-async: {database}: ")
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    "database",
    [
        "postgresql://me:hunter2@127.0.0.1:1/erp",
        "postgresql+psycopg://me:hunter2@127.0.0.1:1/erp",
        "postgres://127.0.0.1:1/erp?user=me&password=hunter2",
        "postgresql://me:hunter2@127.0.0.1:port/erp",
        "mysql://me:hunter2@127.0.0.1/erp",
        "host=127.0.0.1 password=hunter2",
    ],
)
def test_password(database, run_cli):
    """No message has the password of a database."""
    code = 1 if database.startswith("postgres") else 2
    for command in (("sync", database, "--mock", "3", "-v"), ("changes", database)):
        done = run_cli(*command)
        assert (done.returncode, done.stdout) == (code, "")
        assert "hunter2" not in done.stderr


@pytest.mark.usefixtures("run_cli")
@pytest.mark.parametrize("command", [("sync", "--mock", "3"), ("changes",)])
def test_password_in_tracebacks(command):
    """Nor do the local variables of a traceback have it."""
    with pytest.raises(CommandError) as caught:
        cli.main([*command, "postgresql://me:hunter2@127.0.0.1:1/erp"], standalone_mode=False)
    report = report_of(without_callers(caught.value))
    assert "in sync_customers" in report or "in print_changes" in report
    assert "hunter2" not in report


async def test_postgresql(run_cli_in_thread, postgres_dsn):
    """A database of PostgreSQL takes the place of the file; its password is in no message."""
    database = postgres_dsn.replace("postgres@", "postgres:hunter2@")
    async with MockServer(30) as server:
        done = await run_cli_in_thread("sync", database, "-v", **env_of(server))
        assert done.returncode == 0
        assert done.stdout.startswith(f"run 1: {counts(added=30)} (")
        assert len(customer_ids(database)) == 30
        feed = await run_cli_in_thread("changes", database)
        refused = await run_cli_in_thread("sync", database, "--country", "CL", **env_of(server))
    assert len(feed.stdout.splitlines()) == 30
    assert refused.returncode == 1
    assert "it mirrors customers with no filters" in refused.stderr
    assert "hunter2" not in done.stderr + feed.stderr + refused.stderr


async def test_interrupted(run_cli_in_thread, tmp_path):
    """After Ctrl-C nothing of the run is visible, and the next one is complete."""
    database = tmp_path / "a.db"
    async with MockServer(3_000, latency=0.01) as server:
        process = await start_process("sync", database, "--concurrency", "1", env=env_of(server))
        await until(lambda: len(server.requests) > 5)
        process.send_signal(signal.SIGINT)
        output, error = await process.communicate()
        assert (process.returncode, output, error) == (130, b"", b"piriod-async: interrupted\n")
        assert not customer_ids(database)
        done = await run_cli_in_thread("sync", database, **env_of(server))
    assert f": {counts(added=3_000)} (" in done.stdout


async def test_progress(tmp_path):
    """A terminal shows progress, and at the end only the summary."""
    terminal = Terminal()
    async with MockServer(1_500) as server:
        code, _ = await terminal.run("sync", tmp_path / "a.db", env=env_of(server))
    assert code == 0
    assert " of 1,500 customers" in terminal.output
    [line] = terminal.lines
    assert line.startswith(f"run 1: {counts(added=1_500)}"[:79])


@pytest.fixture(scope="module")
def mirror(tmp_path_factory):
    """A mirror of 40 customers."""
    database = tmp_path_factory.mktemp("mirror") / "customers.db"
    assert run_process("sync", database, "--mock", "40").returncode == 0
    return database


def test_sqlite_command(mirror):
    """The command line of SQLite reads the view of customers."""
    shell = [sys.executable, "-m", "sqlite3"] if sys.version_info >= (3, 12) else [shutil.which("sqlite3")]
    if None in shell:
        pytest.skip("needs Python 3.12, or the program sqlite3")
    done = subprocess.run(
        [*shell, mirror, "select count(*) from customers"], capture_output=True, text=True, check=True
    )
    assert re.sub(r"\D", "", done.stdout) == "40"


def test_duckdb(mirror):
    """DuckDB reads the view of customers."""
    package = pytest.importorskip("duckdb_extension_sqlite_scanner", reason="DuckDB's extension is not installed")
    extension = files(package) / f"extensions/v{duckdb.__version__}"
    if not extension.is_dir():
        pytest.skip(f"the package duckdb_extension_sqlite_scanner has no extension for DuckDB {duckdb.__version__}")
    with duckdb.connect() as connection:
        connection.execute(f"LOAD '{extension / 'sqlite_scanner.duckdb_extension'}'")
        connection.execute(f"ATTACH '{mirror}' AS mirror (TYPE sqlite, READ_ONLY)")
        assert connection.sql("select count(*) from mirror.customers").fetchall() == [(40,)]
