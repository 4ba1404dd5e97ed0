"""Errors: two lines that say what went wrong and what to do, and an exit code."""

import subprocess
from pathlib import Path

from piriod_async.testing.mock_server import MockServer, Mutations
from tests.support.command import CLEAN_ENV, COMMAND, env_of


async def test_advice(run_cli_in_thread):
    """An error of the API has a line of advice."""
    async with MockServer(3) as server:
        denied = await run_cli_in_thread("customers", "--workspace", "acc_other", **env_of(server))
        wrong_token = await run_cli_in_thread("customers", **env_of(server, PIRIOD_TOKEN="another"))
    assert (denied.returncode, wrong_token.returncode) == (1, 1)
    assert "403" in denied.stderr
    assert denied.stderr.splitlines()[1] == "check the workspace id, and that the token has access to it"
    assert wrong_token.stderr.splitlines()[1] == "check the token: creating a new one revokes the previous one"


async def test_retry_budget(run_cli_in_thread, monkeypatch):
    """An error that was not retried because the retry budget is exhausted says so."""
    monkeypatch.setattr("piriod_async.transport.retry_budget.RETRY_COST", 501)
    async with MockServer(3) as server:
        server.fail(status=503, times=None)
        done = await run_cli_in_thread("customers", **env_of(server))
        assert len(server.requests) == 1
    assert done.returncode == 1
    assert "503 Service Unavailable" in done.stderr
    assert "(not retried: the session's retry budget is exhausted)" in done.stderr


async def test_control_characters(run_cli_in_thread):
    """Text from the server is printed on one line, without control characters."""
    async with MockServer(300) as server:
        server.fail(status=418, body=b'{"detail": "\\u001b[31mteapot\\nof\\u202eclay"}')
        done = await run_cli_in_thread("customers", **env_of(server))
    assert done.returncode == 1
    message, advice = done.stderr.splitlines()
    assert "\ufffd[31mteapot of\ufffdclay" in message
    assert advice == "use -v to show every attempt"


async def test_incomplete_list(run_cli_in_thread):
    """A list that changed too much is exit code 3, and the message names the option that tolerates changes."""
    async with MockServer(300, mutations=Mutations(rate=8)) as server:
        done = await run_cli_in_thread("customers", "--ordering", "name", **env_of(server))
    assert done.returncode == 3
    assert "List again, or with --ordering created, which tolerates changes" in done.stderr
    assert done.stderr.count("\n") == 1


def test_closed_pipe():
    """A reader that closes the pipe early is no error."""
    command = [*COMMAND, "customers", "--mock", "5000"]
    with subprocess.Popen(command, stdout=-1, stderr=-1, env=CLEAN_ENV) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_full_disk():
    """A full disk is exit code 1."""
    command = [*COMMAND, "customers", "--mock", "50"]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, stdout=full, stderr=-1, env=CLEAN_ENV, check=False)
    assert done.returncode == 1
    assert b"No space left on device" in done.stderr
