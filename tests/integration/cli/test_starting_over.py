"""Exports that start from the beginning although there is an interrupted one, or although they should resume."""

import pytest

from piriod_async.testing.mock_server import MockServer
from tests.support.command import env_of, read_rows


async def interrupt(run, server, *command):
    """Run the command until page 3 of `acc_1` fails."""
    server.fail(status=403, page=3, workspace="acc_1")
    done = await run(*command, **env_of(server))
    assert done.returncode in (1, 3)
    server.clear_faults()
    return done


async def test_forgotten_resume(run_cli_in_thread, tmp_path):
    """Without `--resume` the command says what it discards, and how it could have been kept."""
    file = tmp_path / "a.csv"
    async with MockServer({"acc_1": 300}) as server:
        await interrupt(run_cli_in_thread, server, "customers", "-o", file)
        done = await run_cli_in_thread("customers", "-o", file, "--country", "CL", **env_of(server))
    expected = f"piriod-async: discarding 100 customers kept in {file}.part: --resume would have continued\n"
    assert (done.returncode, done.stderr) == (0, expected)
    assert {row["country_id"] for row in read_rows(file)} == {"CL"}
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


async def test_forgotten_resume_of_a_damaged_export(run_cli_in_thread, tmp_path):
    """The command says that it discards an export whose state cannot be read."""
    file = tmp_path / "a.csv"
    async with MockServer({"acc_1": 300}) as server:
        await interrupt(run_cli_in_thread, server, "customers", "-o", file)
        (tmp_path / "a.csv.part.state").write_text("{")
        done = await run_cli_in_thread("customers", "-o", file, **env_of(server))
    assert (done.returncode, done.stderr) == (
        0,
        f"piriod-async: discarding the interrupted export in {file}.part\n",
    )


async def test_nothing_to_discard(run_cli_in_thread, tmp_path):
    """An interrupted export without customers needs no word."""
    file = tmp_path / "a.csv"
    async with MockServer({"acc_1": 300}) as server:
        await interrupt(run_cli_in_thread, server, "customers", "-o", file, "--ordering", "name")
        assert not list(tmp_path.iterdir())
        (tmp_path / "a.csv.part").write_bytes(b"id,na")  # as a killed process may leave it
        done = await run_cli_in_thread("customers", "-o", file, **env_of(server))
    assert (done.returncode, done.stderr) == (0, "")


async def test_nothing_to_resume(run_cli_in_thread, tmp_path):
    """`--resume` without an interrupted export says that it starts from the beginning, also after a complete one."""
    file = tmp_path / "a.csv"
    async with MockServer({"acc_1": 300}) as server:
        for _ in range(2):
            server.requests.clear()
            done = await run_cli_in_thread("customers", "-o", file, "--resume", **env_of(server))
            note = f"--resume: there is no interrupted export to {file}; starting from the beginning"
            assert (done.returncode, done.stderr) == (0, f"piriod-async: {note}\n")
            assert len(server.requests) > 0
            assert len(read_rows(file)) == 300


@pytest.mark.parametrize("ordering", ["name", ""])
async def test_ordering_that_cannot_be_resumed(ordering, run_cli_in_thread, tmp_path):
    """Only orderings by `created` can be resumed; with another, `--resume` is an error before a request is sent."""
    file = tmp_path / "a.jsonl"
    command = ("customers", "-o", file, f"--ordering={ordering}")
    async with MockServer({"acc_1": 300}) as server:
        failed = await interrupt(run_cli_in_thread, server, *command)
        assert "--resume" not in failed.stderr
        before, requests = {path: path.read_bytes() for path in tmp_path.iterdir()}, len(server.requests)
        refused = await run_cli_in_thread(*command, "--resume", **env_of(server))
        assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
        assert len(server.requests) == requests
        shown = ordering or "''"
        assert refused.returncode == 2
        assert f"--resume cannot resume --ordering {shown}: expected created or -created" in refused.stderr
        done = await run_cli_in_thread(*command, **env_of(server))
    assert (done.returncode, done.stderr) == (0, "")
    assert len({row["id"] for row in read_rows(file)}) == len(read_rows(file)) == 300


async def test_complete_workspaces_are_kept(run_cli_in_thread, tmp_path):
    """With several workspaces, any ordering can be resumed: those that are complete are not read again."""
    file = tmp_path / "a.csv"
    command = ("customers", "-o", file, "--ordering", "name", "--workspace", "acc_1", "--workspace", "acc_2")
    async with MockServer({"acc_1": 300, "acc_2": 150}) as server:
        failed = await interrupt(run_cli_in_thread, server, *command)
        assert f"150 customers are kept in {file}.part: add --resume to continue" in failed.stderr
        server.requests.clear()
        done = await run_cli_in_thread(*command, "--resume", **env_of(server))
        assert {request.workspace for request in server.requests} == {"acc_1"}
    assert (done.returncode, done.stderr) == (0, "")
    assert len({row["id"] for row in read_rows(file)}) == len(read_rows(file)) == 450


async def test_workspaces_in_another_order(run_cli_in_thread, tmp_path):
    """The same workspaces in another order are the same options, from a file too."""
    file, workspaces = tmp_path / "a.csv", tmp_path / "workspaces"
    workspaces.write_text("acc_2\nacc_1\n")
    command = ("customers", "-o", file)
    async with MockServer({"acc_1": 300, "acc_2": 150}) as server:
        await interrupt(run_cli_in_thread, server, *command, "--workspace", "acc_1", "--workspace", "acc_2")
        done = await run_cli_in_thread(*command, "--workspaces-file", workspaces, "--resume", **env_of(server))
        expected = {row["id"] for name in server.workspaces for row in server.customers(name)}
    assert (done.returncode, done.stderr) == (0, "")
    assert {row["id"] for row in read_rows(file)} == expected
    assert len(read_rows(file)) == 450


async def test_workspace_column(run_cli_in_thread, tmp_path):
    """One workspace from a file has a column for it, so it does not continue an export that has none."""
    file, workspaces = tmp_path / "a.csv", tmp_path / "workspaces"
    workspaces.write_text("acc_1\n")
    async with MockServer({"acc_1": 300}) as server:
        await interrupt(run_cli_in_thread, server, "customers", "-o", file)
        resume = ("customers", "-o", file, "--workspaces-file", workspaces, "--resume")
        done = await run_cli_in_thread(*resume, **env_of(server))
    assert done.returncode == 2
    assert "different options: workspace column (was not given)" in done.stderr
