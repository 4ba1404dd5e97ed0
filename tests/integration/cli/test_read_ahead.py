"""Exports of many workspaces: requests of several are in flight, and the file is the same as one after the other."""

import asyncio
import signal

from piriod_async.cli.read_ahead import PAGES_AHEAD
from piriod_async.testing.mock_server import MockServer
from tests.integration.cli.test_resume import committed, stop_process
from tests.support.command import env_of, read_rows

WORKSPACES = {f"acc_{number}": size for number, size in enumerate([450, 0, 1, 130, 100, 250, 700, 30])}
OPTIONS = [each for workspace in WORKSPACES for each in ("--workspace", workspace)]


async def test_order(run_cli_in_thread, tmp_path):
    """Later workspaces are requested before the first one is read, and written after it."""
    file = tmp_path / "a.jsonl"
    async with MockServer(WORKSPACES, latency=0.002) as server:
        done = await run_cli_in_thread("customers", "-o", file, *OPTIONS, **env_of(server))
        expected = [(name, row["id"]) for name in WORKSPACES for row in server.customers(name)]
        requested = [request.workspace for request in server.requests]
    assert (done.returncode, done.stderr) == (0, "")
    assert [(row["workspace"], row["id"]) for row in read_rows(file)] == expected
    assert set(requested[: len(WORKSPACES)]) == set(WORKSPACES)


async def test_limit(run_cli_in_thread):
    """A limit over all workspaces requests none that it does not need."""
    async with MockServer(WORKSPACES) as server:
        done = await run_cli_in_thread("customers", *OPTIONS, "--limit", "452", **env_of(server))
        requested = {request.workspace for request in server.requests}
    assert len(done.stdout.splitlines()) == 452
    assert requested == {"acc_0", "acc_1", "acc_2", "acc_3"}


async def test_failures(run_cli_in_thread, tmp_path):
    """A workspace that fails while others are read leaves them complete, and can be resumed."""
    file, expected = tmp_path / "a.csv", tmp_path / "b.csv"
    async with MockServer(WORKSPACES) as server:
        assert (await run_cli_in_thread("customers", "-o", expected, *OPTIONS, **env_of(server))).returncode == 0
        server.fail(status=403, times=2)
        done = await run_cli_in_thread("customers", "-o", file, *OPTIONS, **env_of(server))
        assert (done.returncode, "2 of 8 workspaces failed" in done.stderr) == (3, True)
        done = await run_cli_in_thread("customers", "-o", file, *OPTIONS, "--resume", **env_of(server))
        assert (done.returncode, done.stderr) == (0, "")
    assert sorted(map(str, read_rows(file))) == sorted(map(str, read_rows(expected)))


async def test_failure_keeps_the_others(run_cli_in_thread, tmp_path):
    """Small workspaces that were complete before another failed are not read again."""
    command = ("customers", "-o", tmp_path / "a.jsonl", *OPTIONS[:6])
    async with MockServer({"acc_0": 5, "acc_1": 5}) as server:
        failed = await run_cli_in_thread(*command, **env_of(server))
        server.requests.clear()
        again = await run_cli_in_thread(*command, "--resume", **env_of(server))
        assert (failed.returncode, again.returncode) == (3, 3)
        assert "10 customers are kept in " in failed.stderr
        assert {request.workspace for request in server.requests} == {"acc_2"}


async def test_counts(run_cli_in_thread):
    """All workspaces are counted at once, and printed in their order; one that fails costs the others nothing."""

    class GatheringServer(MockServer):
        """Answers no request before there is one for each workspace."""

        async def _handle(self, request):
            if len(self.requests) < len(WORKSPACES):
                async with asyncio.timeout(20):  # if they come one after the other
                    await barrier.wait()
            return await super()._handle(request)

    barrier = asyncio.Barrier(len(WORKSPACES))
    async with GatheringServer(WORKSPACES) as server:
        done = await run_cli_in_thread("customers", "--count", *OPTIONS, **env_of(server))
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == "".join(f"{name}\t{size}\n" for name, size in WORKSPACES.items())
        server.fail(status=403, times=1)
        failed = await run_cli_in_thread("customers", "--count", *OPTIONS, **env_of(server))
    assert (failed.returncode, failed.stdout.count("\n")) == (3, len(WORKSPACES) - 1)
    assert "1 of 8 workspaces failed: acc_" in failed.stderr


async def test_kill(run_cli_in_thread, tmp_path):
    """A kill while several workspaces are being read costs nothing that was committed."""
    file, expected = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    async with MockServer(WORKSPACES, latency=0.002) as server:
        assert (await run_cli_in_thread("customers", "-o", expected, *OPTIONS, **env_of(server))).returncode == 0
        command = ("customers", "-o", file, *OPTIONS, "--resume")
        for customers in (1, 600):
            code, _ = await stop_process(
                signal.SIGKILL, lambda least=customers: committed(file) >= least, *command, env=env_of(server)
            )
            assert code == -signal.SIGKILL
        assert (await run_cli_in_thread(*command, **env_of(server))).returncode == 0
    assert file.read_bytes() == expected.read_bytes()


async def test_bounded(run_cli_in_thread, tmp_path):
    """Of a listing that waits, only the first pages and what it prefetches behind them are read."""
    async with MockServer({"acc_0": 2_000, "acc_1": 2_000}) as server:
        command = ("customers", "-o", tmp_path / "a.jsonl", *OPTIONS[:4], "--concurrency", "1")
        await run_cli_in_thread(*command, **env_of(server))
        requested = [request.workspace for request in server.requests]
    last_of_first = max(number for number, workspace in enumerate(requested) if workspace == "acc_0")
    assert PAGES_AHEAD <= requested[:last_of_first].count("acc_1") <= 10 < requested.count("acc_1")
