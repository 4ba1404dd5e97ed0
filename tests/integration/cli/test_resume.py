"""Exports that are killed or interrupted, and resumed: nothing is lost, nothing comes twice."""

import asyncio
import json
import signal

import pytest

from piriod_async.testing.mock_server import MockServer, Mutations
from tests.support.command import env_of, read_rows, run_process, same_content, start_process

every_format = pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])


def committed(file):
    """Return how many customers the last commit covers."""
    state = file.with_name(f"{file.name}.part.state")
    return sum(json.loads(state.read_bytes())["customers"].values()) if state.exists() else 0


async def stop_process(stop_signal, when, *arguments, env):
    """Run the command until `when()`, then send it a signal; with one request at a time, so that `when` comes first."""
    process = await start_process(*arguments, "--concurrency", "1", env=env)
    while not when() and process.returncode is None:  # noqa: ASYNC110 (another process sets the condition)
        await asyncio.sleep(0.001)
    process.send_signal(stop_signal)
    _, error = await process.communicate()
    return process.returncode, error.decode()


@every_format
async def test_kill(suffix, run_cli_in_thread, tmp_path):
    """After kills at several moments, the resumed export equals an undisturbed one."""
    undisturbed, file = tmp_path / f"undisturbed.{suffix}", tmp_path / f"a.{suffix}"
    contacts, expected_contacts = tmp_path / "contacts.csv", tmp_path / "undisturbed-contacts.csv"
    with_contacts = suffix == "csv"
    options = ("--workspace", "acc_1", "--workspace", "acc_2")
    async with MockServer({"acc_1": 2_300, "acc_2": 2_100}, latency=0.002) as server:
        more = ("--contacts-output", expected_contacts) if with_contacts else ()
        done = await run_cli_in_thread("customers", "-o", undisturbed, *more, *options, **env_of(server))
        assert (done.returncode, done.stderr) == (0, "")
        requests = len(server.requests)
        more = ("--contacts-output", contacts) if with_contacts else ()
        command = ("customers", "-o", file, *more, *options, "--resume")
        moments = [
            lambda: len(server.requests) > requests + 3,
            lambda: committed(file) >= 1_000,
            lambda: committed(file) >= 3_300,
        ]
        commits = []
        for moment in moments:
            code, _ = await stop_process(signal.SIGKILL, moment, *command, env=env_of(server))
            assert code == -signal.SIGKILL
            assert not file.exists()
            commits.append(committed(file))
        done = await run_cli_in_thread(*command, **env_of(server))
        assert (done.returncode, done.stderr) == (0, "")
    assert 0 <= commits[0] < commits[1] < commits[2] < 4_400
    assert same_content(file, undisturbed)
    assert len(read_rows(file)) == 4_400
    if with_contacts:
        assert same_content(contacts, expected_contacts)
    assert not [path.name for path in tmp_path.iterdir() if ".part" in path.name]


async def test_kill_while_the_list_changes(run_cli_in_thread, tmp_path):
    """Customers that stayed in a changing list are all there, and none comes twice."""
    file = tmp_path / "a.jsonl"
    command = ("customers", "-o", file, "--fields", "id", "--resume")
    async with MockServer(3_500, mutations=Mutations(rate=0.5), latency=0.002) as server:
        for moment in (lambda: committed(file) >= 1_000, lambda: committed(file) >= 2_000):
            code, _ = await stop_process(signal.SIGKILL, moment, *command, env=env_of(server))
            assert code == -signal.SIGKILL
        done = await run_cli_in_thread(*command, **env_of(server))
        unchanged = set(server.unchanged_ids())
    ids = [row["id"] for row in read_rows(file)]
    assert (done.returncode, done.stderr) == (0, "")
    assert len(set(ids)) == len(ids)
    assert unchanged <= set(ids)
    assert 1_000 < len(unchanged) < 3_500


@every_format
async def test_interrupt(suffix, tmp_path):
    """Ctrl-C keeps what was written, says how to resume, and is exit code 130."""
    file = tmp_path / f"a.{suffix}"
    async with MockServer(2_500, latency=0.002) as server:
        moment = lambda: committed(file) >= 1_000  # noqa: E731
        code, error = await stop_process(signal.SIGINT, moment, "customers", "-o", file, env=env_of(server))
        assert code == 130
        message, advice = error.splitlines()
        assert message == "piriod-async: interrupted"
        kept = committed(file)
        assert advice == f"{kept:,} customers are kept in {file}.part: add --resume to continue"
        assert 0 < kept < 2_500
        if suffix != "parquet":
            part = file.with_name(f"part.{suffix}")
            part.write_bytes(file.with_name(f"{file.name}.part").read_bytes())
            assert len(read_rows(part)) == kept
        done = await asyncio.to_thread(run_process, "customers", "-o", file, "--resume", **env_of(server))
        expected = [customer["id"] for customer in server.customers()]
    assert (done.returncode, done.stderr) == (0, "")
    assert [row["id"] for row in read_rows(file)] == expected


async def test_interrupt_before_any_customer(tmp_path):
    """Without customers there is nothing to resume."""
    async with MockServer(2_500) as server:
        server.fail(stall=True, times=None)
        moment = (tmp_path / "a.csv.part.state").exists
        done = await stop_process(signal.SIGINT, moment, "customers", "-o", tmp_path / "a.csv", env=env_of(server))
    assert done == (130, "piriod-async: interrupted\n")


async def test_interrupt_during_conversion(run_cli_in_thread, tmp_path, monkeypatch):
    """Once everything is read, a resume sends no request."""
    file = tmp_path / "a.parquet"

    def interrupt(*_):
        raise KeyboardInterrupt

    async with MockServer(250) as server:
        expected = [customer["id"] for customer in server.customers()]
        with monkeypatch.context() as patch:
            patch.setattr("piriod_async.export.parquet_format.stream_to_parquet", interrupt)
            done = await run_cli_in_thread("customers", "-o", file, **env_of(server))
        assert done.returncode == 130
        assert done.stderr.splitlines()[1].startswith(f"250 customers are kept in {file}.part: add --resume")
        requests = len(server.requests)
        done = await run_cli_in_thread("customers", "-o", file, "--resume", **env_of(server))
        assert len(server.requests) == requests
    assert (done.returncode, done.stderr) == (0, "")
    assert [row["id"] for row in read_rows(file)] == expected
    assert [path.name for path in tmp_path.iterdir()] == ["a.parquet"]


async def test_page_that_cannot_be_written(run_cli_in_thread, tmp_path):
    """The page of a value that does not fit is not lost: the resume writes it once the value fits."""
    file = tmp_path / "a.parquet"
    async with MockServer(1_500) as server:
        expected = [customer["id"] for customer in server.customers()]
        server.update(expected[1_250], aggregations={"balance": "1" * 30})
        done = await run_cli_in_thread("customers", "-o", file, **env_of(server))
        assert done.returncode == 1
        assert done.stderr.startswith(f"piriod-async: customer {expected[1_250]}: aggregations.balance=")
        assert "leave the field out with --fields, or use another --format" in done.stderr
        assert 1_000 < committed(file) < 1_250
        server.update(expected[1_250], aggregations={"balance": "1"})
        done = await run_cli_in_thread("customers", "-o", file, "--resume", **env_of(server))
    assert (done.returncode, done.stderr) == (0, "")
    assert [row["id"] for row in read_rows(file)] == expected


async def test_limit(tmp_path):
    """The limit counts what the killed run wrote."""
    file = tmp_path / "a.csv"
    options = ("-o", file, "--fields", "id", "--limit", "2100", "--workspace", "acc_1", "--workspace", "acc_2")
    async with MockServer({"acc_1": 1_500, "acc_2": 2_000}, latency=0.004) as server:
        moment = lambda: committed(file) >= 1_000  # noqa: E731
        code, _ = await stop_process(signal.SIGKILL, moment, "customers", *options, env=env_of(server))
        assert code == -signal.SIGKILL
        await asyncio.to_thread(run_process, "customers", *options, "--resume", **env_of(server))
        expected = [row["id"] for name in server.workspaces for row in server.customers(name)][:2_100]
    assert [row["id"] for row in read_rows(file)] == expected


async def test_newest_first(run_cli_in_thread, tmp_path):
    """An export in the opposite order is resumed too."""
    file = tmp_path / "a.jsonl"
    async with MockServer(2_500) as server:
        server.fail(status=404, page=20)
        server.fail(status=400, page=9)
        options = ("customers", "-o", file, "--ordering=-created")
        failed = await run_cli_in_thread(*options, **env_of(server))
        server.clear_faults()
        done = await run_cli_in_thread(*options, "--resume", **env_of(server))
    assert (failed.returncode, done.returncode) == (1, 0)
    assert "are kept" in failed.stderr
    assert len({row["id"] for row in read_rows(file)}) == len(read_rows(file)) == 2_500


OTHER_OPTIONS = {
    "--country": ("--country", "CL"),
    "--created-gte": ("--created-gte", "2024-01-01T00:00:00Z"),
    "--metadata": ("--metadata", "plan=gold"),
    "--ordering": ("--ordering=-created",),
    "--fields": ("--fields", "id,name"),
    "--format": ("--format", "jsonl"),
    "--contacts-output": ("--contacts-output", "contacts.csv"),
    "--workspace": ("--workspace", "acc_2"),
    "--test-mode": ("--test-mode",),
    "--no-escape-formulas": ("--no-escape-formulas",),
    "--limit": ("--limit", "5"),
}


async def test_mock_server(run_cli_in_thread, tmp_path):
    """An export from the mock server is resumed, though that has another port in each run."""
    file = tmp_path / "a.jsonl"
    command = ("customers", "-o", file, "--fields", "id", "--mock", "8000")
    code, _ = await stop_process(signal.SIGKILL, lambda: committed(file) >= 1_000, *command, env={})
    assert code == -signal.SIGKILL
    done = await run_cli_in_thread(*command, "--resume")
    assert (done.returncode, done.stderr) == (0, "")
    ids = [row["id"] for row in read_rows(file)]
    assert len(set(ids)) == len(ids) == 8_000


async def test_other_options(run_cli_in_thread, tmp_path):
    """A resume with options that change the output is refused, and touches no file; others may differ."""
    file = tmp_path / "a.csv"
    async with MockServer({"acc_1": 300, "acc_2": 300}) as server:
        server.fail(status=403, page=3)
        assert (await run_cli_in_thread("customers", "-o", file, **env_of(server))).returncode == 1
        before = {path: path.read_bytes() for path in tmp_path.iterdir()}
        for name, options in OTHER_OPTIONS.items():
            done = await run_cli_in_thread("customers", "-o", file, "--resume", *options, **env_of(server))
            assert done.returncode == 2, name
            assert f"different options: {name} (was " in done.stderr
            assert "use the same ones, or start over without --resume" in done.stderr
            assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
        harmless = ("--page-size", "50", "--concurrency", "2", "-v", "--no-check-filters")
        done = await run_cli_in_thread("customers", "-o", file, "--resume", *harmless, **env_of(server))
        assert done.returncode == 0
        assert "attempt page=1 workspace=acc_1" in done.stderr
    assert len(read_rows(file)) == 300


async def test_same_time_in_another_zone(run_cli_in_thread, tmp_path):
    """The same time written with another UTC offset is the same option."""
    file = tmp_path / "a.csv"
    async with MockServer(300) as server:
        server.fail(status=403, page=3)
        command = ("customers", "-o", file, "--created-gte")
        assert (await run_cli_in_thread(*command, "2020-01-01T00:00:00Z", **env_of(server))).returncode == 1
        resumed = await run_cli_in_thread(*command, "2019-12-31T21:00:00-03:00", "--resume", **env_of(server))
    assert resumed.returncode == 0
