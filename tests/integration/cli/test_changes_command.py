"""The `changes` command."""

import json
import sqlite3
import subprocess
from contextlib import closing

import pytest

from piriod_async.testing import MockServer
from tests.support.command import CLEAN_ENV, COMMAND, env_of, run_process
from tests.support.terminal import Terminal

COUNT = 1_500


@pytest.fixture(scope="module")
def large_mirror(tmp_path_factory):
    """A mirror whose first run added many customers."""
    database = tmp_path_factory.mktemp("mirror") / "customers.db"
    assert run_process("sync", database, "--mock", COUNT).returncode == 0
    return database


@pytest.fixture
async def mirror(run_cli_in_thread, tmp_path):
    """A mirror that took four runs, and its customers before."""
    database = tmp_path / "customers.db"
    async with MockServer(20) as server:
        rows = server.customers()
        changed, removed, *_ = rows

        async def sync():
            done = await run_cli_in_thread("sync", database, **env_of(server))
            assert (done.returncode, done.stderr) == (0, "")

        await sync()
        server.update(changed["id"], email="new@example.cl", metadata={"plan": 1.5, "name": "Ñandú \x1b[31m"})
        await sync()
        server.remove(removed["id"])
        await sync()
        server.add(**removed | {"name": "Back SpA"})
        await sync()
    return database, changed, removed


def without_update(line):
    """Return a line as data, without the time of the update."""
    change = json.loads(line)
    change["fields"].pop("updated", None)
    return change


def test_json_lines(mirror, run_cli):
    """Each change is a line with the values before and after."""
    database, changed, removed = mirror
    done = run_cli("changes", database)
    assert (done.returncode, done.stderr) == (0, "")
    first, *_ = lines = done.stdout.splitlines()
    assert list(json.loads(first)) == ["run", "kind", "workspace", "id", "fields"]
    assert [json.loads(line)["kind"] for line in lines] == ["added"] * 20 + ["changed", "removed", "returned"]
    added = {change["id"]: change["fields"] for change in map(json.loads, lines[:20])}
    assert added[changed["id"]]["email"] == [None, changed["email"]]
    about = {"workspace": "acc_mock", "id": changed["id"]}
    metadata = [changed["metadata"], {"plan": 1.5, "name": "Ñandú \x1b[31m"}]
    fields = {"email": [changed["email"], "new@example.cl"], "metadata": metadata}
    assert without_update(lines[20]) == {"run": 2, "kind": "changed", **about, "fields": fields}
    gone, back = map(json.loads, lines[21:])
    assert (gone["id"], gone["fields"]["name"]) == (removed["id"], [removed["name"], None])
    assert (back["id"], back["fields"]["name"]) == (removed["id"], [removed["name"], "Back SpA"])


def test_since(mirror, run_cli):
    """`--since` leaves out a run and those before it; nothing follows the last one, and a later one is unknown."""
    for since, kinds in ((2, ["removed", "returned"]), (4, [])):
        done = run_cli("changes", mirror[0], "--since", since)
        assert (done.returncode, done.stderr) == (0, "")
        assert [json.loads(line)["kind"] for line in done.stdout.splitlines()] == kinds
    done = run_cli("changes", mirror[0], "--since", 5)
    assert (done.returncode, done.stdout) == (1, "")
    assert "--since 5: expected 4 or earlier" in done.stderr


def test_table(mirror, run_cli):
    """A table shows the fields that differ on one line."""
    database, changed, removed = mirror
    done = run_cli("changes", database, "--since", 1, "--format", "table")
    header, first, second, _ = done.stdout.splitlines()
    assert header.split() == ["run", "kind", "workspace", "id", "name", "fields"]
    assert first.split()[:4] == ["2", "changed", "acc_mock", changed["id"]]
    assert f"email: {changed['email'] or 'null'} → new@example.cl; " in first
    assert '"plan":1.5' in first
    assert second.split(maxsplit=4) == ["3", "removed", "acc_mock", removed["id"], removed["name"]]


async def test_terminal(mirror):
    """A terminal has the table by default, and obeys no text of a customer."""
    table, lines = Terminal(), Terminal()
    code, _ = await table.run("changes", mirror[0], "--since", "1", env={})
    assert (code, len(table.lines)) == (0, 4)
    assert all(len(line) <= 80 for line in table.lines)
    assert mirror[1]["id"] in table.lines[1]
    await lines.run("changes", mirror[0], "--since", "1", "--format", "jsonl", env={})
    assert "\x1b[31m" not in table.output + lines.output


def test_all_changes(large_mirror, run_cli):
    """A feed of many pages comes completely."""
    done = run_cli("changes", large_mirror)
    assert len({json.loads(line)["id"] for line in done.stdout.splitlines()}) == COUNT


def test_closed_pipe(large_mirror):
    """A reader that leaves early is no error."""
    with subprocess.Popen([*COMMAND, "changes", large_mirror], stdout=-1, stderr=-1, env=CLEAN_ENV) as process:
        assert json.loads(process.stdout.readline())["kind"] == "added"
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_absent_database(run_cli, tmp_path):
    """A database that does not exist is an error, and is not made."""
    done = run_cli("changes", tmp_path / "absent.db")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{tmp_path / 'absent.db'}: no such file: expected a database that piriod-async sync made" in done.stderr
    assert not list(tmp_path.iterdir())


def test_empty_file(run_cli, tmp_path):
    """No mirror is made in an empty file either."""
    path = tmp_path / "empty.db"
    path.touch()
    done = run_cli("changes", path)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{path}: an empty file: expected a database that piriod-async sync made" in done.stderr
    assert path.stat().st_size == 0


def test_other_database(run_cli, tmp_path):
    """A file that is no mirror is an error, and is not changed."""
    (tmp_path / "text.db").write_text("text " * 999)
    with closing(sqlite3.connect(tmp_path / "other.db")) as connection:
        connection.execute("create table customers (id text)")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for database in before:
        done = run_cli("changes", database)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"piriod-async: {database}: ")
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_wrong_usage(run_cli):
    """A run is a number."""
    assert run_cli("changes", "a.db", "--since", "yesterday").returncode == 2
    assert run_cli("changes").returncode == 2
