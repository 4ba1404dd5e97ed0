"""Errors: two lines that say what went wrong and what to do, and an exit code."""

import subprocess
from pathlib import Path

import pytest

from piriod_async import FilterIgnoredError, IncompleteListError
from piriod_async.cli.messages import describe
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
    assert wrong_token.stderr.splitlines()[1] == "check the token: was it replaced by a newer one? A user has only one"


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


def test_options_in_advice():
    """Advice names options, not arguments of Python."""
    errors = [
        IncompleteListError("the server does not order by `created`: list with ordering=None"),
        IncompleteListError('List again, or with ordering="created", which tolerates changes'),
        FilterIgnoredError("If that is a match, use check_filters=False"),
    ]
    assert [describe(error).rpartition("with ")[2].rpartition("use ")[2] for error in errors] == [
        "--ordering ''",
        "--ordering created, which tolerates changes",
        "--no-check-filters",
    ]


LONG = "\x1b[31m" + "x" * 100_000


@pytest.mark.parametrize(
    "arguments",
    [
        ("--workspace", f"a {LONG}"),
        ("--country", "CL", "--country", LONG),
        ("--created-gte", LONG),
        ("--fields", LONG),
        ("-o", f"{'x' * 100_000}.csv"),
        ("-o", f"missing/{LONG}.csv"),
        ("--workspaces-file", LONG),
        (LONG,),
        (f"--{LONG}",),
    ],
)
def test_limited_length(arguments, run_cli):
    """Each line of a message has a limited length and no control characters, whatever it quotes."""
    done = run_cli("customers", "--mock", "3", *arguments)
    assert done.stderr.startswith("piriod-async: ")
    lines = done.stderr.splitlines()
    assert len(lines) <= 2
    assert max(map(len, lines)) <= 1_000
    assert "\x1b" not in done.stderr


async def test_limited_length_of_log_lines(run_cli_in_thread):
    """So has each line of the log, and of a workspace that failed."""
    async with MockServer({"acc_1": 3}) as server:
        server.fail(status=403, body=b'{"detail": "%s"}' % (b"x" * 1_000_000), times=None)
        options = ("-v", "--workspace", "acc_1", "--workspace", "acc_2")
        done = await run_cli_in_thread("customers", *options, **env_of(server))
    assert done.returncode == 3
    assert max(map(len, done.stderr.splitlines())) <= 1_000
