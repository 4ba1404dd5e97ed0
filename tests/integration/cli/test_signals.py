"""Signals: SIGTERM and SIGHUP end the command as Ctrl-C does, at any time."""

import asyncio
import signal
import subprocess
import sys
from functools import partial

import pytest

from piriod_async.testing.mock_server import MockServer
from tests.support.command import CLEAN_ENV, COMMAND, env_of, ids_in, read_rows, run_process, start_process
from tests.support.terminal import Terminal

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.mark.parametrize("number", SIGNALS)
async def test_export(number, tmp_path):
    """An interrupted export says what it keeps, and a resume completes it; the cursor is shown again."""
    file, terminal = tmp_path / "a.csv", Terminal(columns=200)
    async with MockServer(2_500, latency=0.05) as server:
        command = ("customers", "-o", file, "--fields", "id")
        code, _ = await terminal.run(*command, env=env_of(server), stop="00 of 2,500 customers", signal_number=number)
        assert code == 128 + number
        assert not file.exists()
        assert "Traceback" not in terminal.output
        message, advice = terminal.lines
        assert message == "piriod-async: interrupted"
        assert advice.endswith(f" customers are kept in {file}.part: add --resume to continue")
        assert terminal.output.rfind("\x1b[?25h") > terminal.output.rfind("\x1b[?25l") >= 0
        done = await asyncio.to_thread(run_process, *command, "--resume", **env_of(server))
        assert (done.returncode, done.stderr) == (0, "")
        assert [row["id"] for row in read_rows(file)] == [row["id"] for row in server.customers()]


@pytest.mark.parametrize("number", SIGNALS)
async def test_standard_output(number):
    """An interrupted list ends with complete lines."""
    async with MockServer(2_500, latency=0.05) as server:
        process = await start_process("customers", env=env_of(server))
        first = await process.stdout.readline()
        process.send_signal(number)
        rest, error = await process.communicate()
        assert ids_in(first + rest) == [row["id"] for row in server.customers()][: len(ids_in(first + rest))]
    assert (process.returncode, error) == (128 + number, b"piriod-async: interrupted\n")


@pytest.mark.parametrize("number", SIGNALS)
async def test_token_prompt(number):
    """A signal at the prompt for a token is no traceback."""
    terminal, env = Terminal(), {"PIRIOD_WORKSPACE": "acc_1"}
    code, _ = await terminal.run("customers", env=env, stop="API token", signal_number=number)
    assert code == 128 + number
    assert "Traceback" not in terminal.output


@pytest.mark.parametrize("number", SIGNALS)
def test_mock_server(number):
    """A mock server stops."""
    command = [*COMMAND, "mock-server", "--port", "0", "--customers", "7"]
    with subprocess.Popen(command, stdout=-1, stderr=-1, env=CLEAN_ENV) as process:
        process.stdout.readline()
        process.send_signal(number)
        assert process.stderr.read().strip() == b""
    assert process.returncode == 128 + number


@pytest.mark.parametrize("ignored", [signal.SIGINT, signal.SIGHUP])
def test_ignored(ignored):
    """A signal that the parent ignores stays ignored, and SIGTERM ends the command all the same."""
    command = [*COMMAND, "mock-server", "--port", "0", "--customers", "7"]
    ignore = partial(signal.signal, ignored, signal.SIG_IGN)
    with subprocess.Popen(command, stdout=-1, stderr=-1, env=CLEAN_ENV, preexec_fn=ignore) as process:  # noqa: PLW1509
        settings = dict(pair.split("=", 1) for pair in process.stdout.readline().decode().split()[1:])
        process.send_signal(ignored)
        assert run_process("customers", "--count", **settings).stdout == "7\n"
        process.send_signal(signal.SIGTERM)
        assert process.stderr.read().strip() == b""
    assert process.returncode == 128 + signal.SIGTERM


INTERRUPT_AN_IMPORT = """
import os, runpy, sys

class Interrupt:
    def find_spec(self, name, *_):
        if name == {module!r}:
            os.kill(os.getpid(), {number})

sys.meta_path.insert(0, Interrupt())
sys.argv = ["piriod-async", "customers", "--mock", "3"]
{start}
"""
AS_MODULE = "runpy.run_module('piriod_async', run_name='__main__', alter_sys=True)"
AS_SCRIPT = "from piriod_async.cli.main import main; sys.exit(main())"


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("module", ["click", "attrs", "aiohttp", "rich.progress"])
@pytest.mark.parametrize("start", [AS_MODULE, AS_SCRIPT], ids=["module", "script"])
def test_imports(start, module, number):
    """A signal during the imports is no traceback."""
    code = INTERRUPT_AN_IMPORT.format(module=module, number=int(number), start=start)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=CLEAN_ENV, check=False)
    assert (done.returncode, done.stdout, done.stderr.strip()) == (128 + number, b"", b"")
