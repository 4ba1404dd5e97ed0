"""Standard input, output and error: closed, read by nobody, or of another encoding."""

import os
import subprocess
from functools import partial

import pytest

from piriod_async.testing.mock_server import MockServer
from tests.support.command import CLEAN_ENV, COMMAND, env_of, ids_in, read_rows, run_process, start_process


def run_without(descriptor, *arguments, **env):
    """Run the command with a standard stream closed."""
    command = [*COMMAND, *map(str, arguments)]
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.run(
        command, **streams, text=True, env=CLEAN_ENV | env, check=False, preexec_fn=partial(os.close, descriptor)
    )


@pytest.mark.parametrize(
    ("arguments", "env", "message"),
    [
        ((), {"PIRIOD_WORKSPACE": "acc_1"}, "no token: expected "),
        (("--workspaces-file", "-", "--mock", "3"), {}, "expected at least one id"),
    ],
)
def test_closed_input(arguments, env, message):
    """A closed standard input, as cron may leave it, is an empty one."""
    done = run_without(0, "customers", *arguments, **env)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 2


def test_closed_error(tmp_path):
    """With standard error closed the command does its work, and its messages do not get into the export."""
    file = tmp_path / "a.csv"
    done = run_without(2, "customers", "--mock", "150", "-v", "-o", file)
    assert (done.returncode, done.stdout) == (0, "")
    assert len(read_rows(file)) == 150
    assert len(ids_in(run_without(2, "customers", "--mock", "150").stdout)) == 150


def test_closed_output():
    """With standard output closed the message says what to do."""
    done = run_without(1, "customers", "--mock", "3")
    assert done.returncode == 2
    assert done.stderr.endswith("standard output is closed: expected it open, or redirected to a file or /dev/null\n")


@pytest.mark.parametrize("options", [("-v",), ()])
async def test_error_that_nobody_reads(options, tmp_path):
    """A reader of standard error that leaves, as `2>&1 | head`, costs no customer, and is not taken for success."""
    file, gone = tmp_path / "a.csv", tmp_path / "missing" / "a.csv"
    for output, code in ((file, 0), (gone, 2)):
        reading, writing = os.pipe()
        os.close(reading)
        async with MockServer(250) as server:
            process = await start_process("customers", *options, "-o", output, env=env_of(server), stderr=writing)
            os.close(writing)
            await process.communicate()
        assert process.returncode == code
    assert len(read_rows(file)) == 250


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_help_in_another_encoding(encoding):
    """The help needs no character that a terminal without UTF-8 lacks."""
    for arguments in (("--help",), ("customers", "--help"), ("mock-server", "--help")):
        done = run_process(*arguments, PYTHONIOENCODING=encoding, PYTHONUTF8="0")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.isascii()
        assert "?" not in done.stdout
