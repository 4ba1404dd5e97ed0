"""Exports of several workspaces, and what the failure of one costs."""

import pytest

from piriod_async.testing.mock_server import MockServer
from tests.support.command import env_of, read_rows


async def test_several_workspaces(run_cli_in_thread, tmp_path):
    """Workspaces follow each other, each once, with a workspace column in every format."""
    (tmp_path / "list").write_text("# ours\nacc_2\n\nacc_3  # the new one\nacc_1\n")
    async with MockServer({"acc_1": 120, "acc_2": 30, "acc_3": 0}) as server:
        expected = [(name, row["id"]) for name in ("acc_1", "acc_2", "acc_3") for row in server.customers(name)]
        options = ("--workspace", "acc_1", "--workspaces-file", tmp_path / "list", "--fields", "id")
        for suffix in ("jsonl", "csv", "parquet"):
            file = tmp_path / f"a.{suffix}"
            done = await run_cli_in_thread("customers", *options, "-o", file, **env_of(server))
            assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
            assert [(row["workspace"], row["id"]) for row in read_rows(file)] == expected
        table = await run_cli_in_thread("customers", *options, "--format", "table", **env_of(server))
    assert [tuple(line.split()) for line in table.stdout.splitlines()] == [("workspace", "id"), *expected]


async def test_failed_workspace(run_cli_in_thread, tmp_path):
    """A workspace that fails does not cost the others; a resume adds what is missing."""
    file = tmp_path / "a.csv"
    async with MockServer({"acc_1": 250, "acc_2": 350, "acc_3": 250}) as server:
        options = ("--workspace", "acc_1", "--workspace", "acc_2", "--workspace", "acc_3", "--fields", "id")
        for name in server.workspaces:
            server.customers(name)
        server.fail(status=403, times=None, workspace="acc_2", page=3)
        printed = await run_cli_in_thread("customers", *options, **env_of(server))
        counted = await run_cli_in_thread("customers", *options[:6], "--count", **env_of(server))
        written = await run_cli_in_thread("customers", *options, "-o", file, **env_of(server))
        assert not file.exists()
        assert [printed.returncode, counted.returncode, written.returncode] == [3, 0, 3]
        lines = written.stderr.splitlines()
        assert lines[0].startswith("piriod-async: acc_2: ")
        assert lines[0].endswith("; check the workspace id, and that the token has access to it")
        assert lines[1] == "piriod-async: 1 of 3 workspaces failed: acc_2"
        assert lines[2] == f"600 customers are kept in {file}.part: add --resume to continue"
        (tmp_path / "kept.csv").write_bytes((tmp_path / "a.csv.part").read_bytes())
        server.clear_faults()
        resumed = await run_cli_in_thread("customers", *options, "-o", file, "--resume", **env_of(server))
        assert (resumed.returncode, resumed.stderr) == (0, "")
        expected = {(name, row["id"]) for name in server.workspaces for row in server.customers(name)}
    kept, rows = read_rows(tmp_path / "kept.csv"), read_rows(file)
    assert len(kept) == 600
    assert rows[:600] == kept
    assert len(rows) == 850
    assert {(row["workspace"], row["id"]) for row in rows} == expected


async def test_rollback_of_a_failed_workspace(run_cli_in_thread, tmp_path):
    """Without a checkpoint the customers of a failed workspace are dropped, and do not count towards the limit."""
    options = ("--workspace", "acc_1", "--workspace", "acc_2", "--ordering", "name", "--limit", "250")
    async with MockServer({"acc_1": 450, "acc_2": 250}) as server:
        server.fail(status=403, times=None, workspace="acc_1", page=3)
        done = await run_cli_in_thread("customers", *options, "-o", tmp_path / "a.csv", **env_of(server))
        expected = {row["id"] for row in server.customers("acc_2")}
    assert done.returncode == 3
    (tmp_path / "a.csv.part").rename(tmp_path / "part.csv")
    assert [row["workspace"] for row in read_rows(tmp_path / "part.csv")] == ["acc_2"] * 250
    assert {row["id"] for row in read_rows(tmp_path / "part.csv")} == expected


async def test_failed_count(run_cli_in_thread):
    """A workspace that cannot be counted is reported, and the others are counted."""
    async with MockServer({"acc_1": 2}) as server:
        options = ("--workspace", "acc_0", "--workspace", "acc_1", "--count")
        done = await run_cli_in_thread("customers", *options, **env_of(server))
    assert (done.returncode, done.stdout) == (3, "acc_1\t2\n")
    assert done.stderr.endswith("\npiriod-async: 1 of 2 workspaces failed: acc_0\n")


async def test_contacts_output(run_cli_in_thread, tmp_path):
    """Customers and contacts go to two files, escaped or not alike, each with a byte order mark if asked for."""
    customers, contacts = tmp_path / "a.csv", tmp_path / "b.csv"
    async with MockServer(50) as server:
        server.add(name="=1+1", contacts=[{"id": "con_1", "name": "=1+1", "customer": "cus_1"}])
        rows = server.customers()
        for options, name in ((("--bom",), "'=1+1"), (("--no-escape-formulas",), "=1+1")):
            command = ("customers", "-o", customers, "--contacts-output", contacts, *options)
            done = await run_cli_in_thread(*command, **env_of(server))
            assert (done.returncode, done.stderr) == (0, "")
            for file in (customers, contacts):
                assert file.read_bytes().startswith(b"\xef\xbb\xbf") == ("--bom" in options)
                file.write_bytes(file.read_bytes().removeprefix(b"\xef\xbb\xbf"))
            assert [row["id"] for row in read_rows(customers)] == [row["id"] for row in rows]
            assert [row["name"] for row in read_rows(customers)] == [*(row["name"] for row in rows[:-1]), name]
            assert [row["customer_id"] for row in read_rows(contacts)] == [
                row["id"] for row in rows for _ in row["contacts"]
            ]
            assert read_rows(contacts)[-1]["name"] == name


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_link_and_mode_stay(suffix, run_cli, tmp_path):
    """The file behind a symbolic link is replaced, and keeps its permissions."""
    real, link = tmp_path / f"real.{suffix}", tmp_path / f"link.{suffix}"
    real.touch(mode=0o600)
    link.symlink_to(real)
    assert run_cli("customers", "--mock", "3", "-o", link).returncode == 0
    assert link.is_symlink()
    assert len(read_rows(real)) == 3
    assert real.stat().st_mode & 0o777 == 0o600
    assert sorted(tmp_path.iterdir()) == [link, real]
