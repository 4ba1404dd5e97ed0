"""The `check` command."""

import os
import re

import pytest

from piriod_async.testing.mock_server import MockServer
from tests.support.command import env_of, start_process


async def test_success(run_cli_in_thread):
    """A readable workspace is one line and exit code 0; one request is sent."""
    async with MockServer(1_250) as server:
        done = await run_cli_in_thread("check", **env_of(server))
        assert (done.returncode, done.stderr) == (0, "")
        assert re.fullmatch(r"acc_mock: 1,250 customers \(live data\) in \d+ ms\n", done.stdout)
        assert len(server.requests) == 1
        done = await run_cli_in_thread("check", "--test-mode", **env_of(server))
        assert " customers (test data) in " in done.stdout


@pytest.mark.parametrize(
    ("changes", "code", "problem", "way_out"),
    [
        ({"PIRIOD_TOKEN": "wrong-token"}, 1, "401", "check the token"),
        ({"PIRIOD_WORKSPACE": "acc_stranger"}, 1, "403", "check the workspace id"),
        ({"PIRIOD_BASE_URL": "http://127.0.0.1:1"}, 1, "Cannot connect", "check the network"),
        ({"PIRIOD_BASE_URL": "ftp://a"}, 2, "--base-url", ""),
        ({"PIRIOD_TOKEN": ""}, 2, "no token: expected PIRIOD_TOKEN", "piriod-async check --help"),
    ],
    ids=["token", "workspace", "network", "base_url", "no_token"],
)
async def test_failure(changes, code, problem, way_out, run_cli_in_thread):
    """A failure is said with the way out, after one attempt."""
    async with MockServer(3) as server:
        done = await run_cli_in_thread("check", **(env_of(server) | changes))
        assert (done.returncode, done.stdout) == (code, "")
        assert problem in done.stderr
        assert way_out in done.stderr
        assert "Traceback" not in done.stderr
        assert len(server.requests) <= 1


async def test_not_retried(run_cli_in_thread):
    """A server that fails is asked once."""
    async with MockServer(3) as server:
        server.fail(status=500, times=None)
        done = await run_cli_in_thread("check", **env_of(server))
        assert (done.returncode, len(server.requests)) == (1, 1)
        assert "the server failed: try again later" in done.stderr


async def test_timeout(run_cli_in_thread):
    """A server that does not answer ends the check after its timeout."""
    async with MockServer(3, latency=60) as server:
        done = await run_cli_in_thread("check", "--timeout", "0.05", **env_of(server))
        assert done.returncode == 1
        assert "no complete response within 0.05 s" in done.stderr


async def test_workspaces(run_cli_in_thread):
    """Each workspace has its line; one that fails costs the others nothing."""
    async with MockServer({"acc_1": 1, "acc_2": 2}) as server:
        options = [option for name in ("acc_1", "acc_x", "acc_2") for option in ("--workspace", name)]
        done = await run_cli_in_thread("check", *options, **env_of(server))
        assert done.returncode == 3
        assert [line.partition(" in ")[0] for line in done.stdout.splitlines()] == [
            "acc_1: 1 customers (live data)",
            "acc_2: 2 customers (live data)",
        ]
        assert "acc_x: " in done.stderr
        assert "1 of 3 workspaces failed: acc_x" in done.stderr
        assert len(server.requests) == 3


async def test_pipe_closed_early():
    """A reader that wants no line, as `head -0`, is no error."""
    reading, writing = os.pipe()
    os.close(reading)
    async with MockServer(3) as server:
        process = await start_process("check", env=env_of(server), stdout=writing)
        os.close(writing)
        _, error = await process.communicate()
    assert (process.returncode, error) == (0, b"")


async def test_clock(run_cli_in_thread):
    """A clock that is far off is told."""
    async with MockServer(3) as server:
        server.fail(headers={"Date": "Thu, 01 Jan 2026 00:00:00 GMT"})
        done = await run_cli_in_thread("check", **env_of(server))
        assert re.search(r"; the server's clock is [\d,]+ s behind this machine's\n$", done.stdout)


def test_mock(run_cli):
    """`--mock` needs no token."""
    done = run_cli("check", "--mock", "7")
    assert (done.returncode, done.stdout.partition(" in ")[0]) == (0, "acc_mock: 7 customers (live data)")
