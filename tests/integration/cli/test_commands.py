"""The commands: listing, counting, help, the mock server."""

import csv
import json
import re
import signal
import subprocess

import pytest

from piriod_async.testing.mock_server import MockServer
from tests.support.command import CLEAN_ENV, COMMAND, env_of, ids_in, run_process
from tests.support.imports import PACKAGE, imports, within
from tests.test_public_api import NAMES


async def test_all_customers():
    """Every customer comes once, in order, as JSON lines."""
    done = run_process("customers", "--mock", "2500")
    async with MockServer({"acc_mock": 2_500}) as server:
        expected = [customer["id"] for customer in server.customers()]
    assert ids_in(done.stdout) == expected
    assert (done.returncode, done.stderr) == (0, "")


def test_exact_amounts(run_cli):
    """Amounts are printed with the digits that the API sent."""
    line = run_cli("customers", "--mock", "1").stdout
    balance = json.loads(line, parse_float=str, parse_int=str)["aggregations"]["balance"]
    assert f'"balance":{balance}' in line


async def test_limit(run_cli_in_thread):
    """`--limit` holds over all workspaces, and sends no more requests than it needs."""
    async with MockServer({"acc_1": 250, "acc_2": 250}) as server:
        both = ("--workspace", "acc_1", "--workspace", "acc_2", "--limit")
        for limit, requests in ((1, 1), (250, 6), (260, 6)):
            server.requests.clear()
            done = await run_cli_in_thread("customers", *both, str(limit), **env_of(server))
            assert len(ids_in(done.stdout)) == limit
            assert len(server.requests) <= requests
        assert [json.loads(line)["workspace"] for line in done.stdout.splitlines()] == ["acc_1"] * 250 + ["acc_2"] * 10


def test_count(run_cli):
    """`--count` prints one number, or one per workspace."""
    assert run_cli("customers", "--mock", "42", "--count").stdout == "42\n"
    done = run_cli("customers", "--mock", "42", "--count", "--workspace", "a", "--workspace", "b", "--workspace", "a")
    assert done.stdout == "a\t42\nb\t42\n"


def test_mock_without_number(run_cli):
    """`--mock` alone has a default size, before and after other options."""
    assert run_cli("customers", "--mock", "--count").stdout == "1000\n"
    assert run_cli("customers", "--count", "--mock").stdout == "1000\n"


def test_csv_in_a_pipe(run_cli):
    """CSV goes to standard output, with selected fields, unescaped if asked for."""
    done = run_cli("customers", "--mock", "5", "--format", "csv", "--fields", "id, phone", "--no-escape-formulas")
    header, *rows = csv.reader(done.stdout.splitlines())
    assert header == ["id", "phone"]
    assert len(rows) == 5
    assert any(phone.startswith("+") for _, phone in rows)


def test_table_in_a_pipe(run_cli):
    """In a pipe nothing is cut or styled."""
    done = run_cli("customers", "--mock", "5", "--format", "table")
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["id", "name", "country_id", "tax_id", "balance"]
    assert len(lines) == 6
    assert "…" not in done.stdout
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize("output_format", ["jsonl", "table"])
def test_no_customers(output_format, run_cli):
    """An empty list is no error."""
    done = run_cli("customers", "--mock", "0", "--format", output_format)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_help(run_cli):
    """Every help page lists the exit codes; without arguments the exit code is 2."""
    for arguments in (["--help"], ["customers", "-h"], ["sync", "-h"], ["changes", "-h"], []):
        done = run_cli(*arguments)
        assert (done.stdout + done.stderr).isascii()  # for terminals without UTF-8
        assert done.returncode == (0 if arguments else 2)
        for code in ("0 ", "1 ", "2 ", "3 ", "4 ", "130 "):
            assert re.search(rf"^ +{code} +\w", done.stdout + done.stderr, re.MULTILINE)


def test_version(run_cli):
    """`--version` prints the package's version."""
    assert run_cli("--version").stdout.startswith("piriod-async 0.")


async def test_verbose(run_cli_in_thread):
    """`-v` prints each attempt; without it there is nothing on standard error."""
    async with MockServer(3) as server:
        server.fail(status=503, times=1, retry_after=0)
        verbose = await run_cli_in_thread("customers", "-v", **env_of(server))
        quiet = await run_cli_in_thread("customers", **env_of(server))
    assert verbose.returncode == 0
    assert f"page=1 workspace={server.workspace} attempt=1 status=503" in verbose.stderr
    assert f"page=1 workspace={server.workspace} attempt=2 status=200" in verbose.stderr
    assert quiet.stderr == ""


def test_mock_server():
    """`mock-server` prints how to use it, and serves until Ctrl-C."""
    command = [*COMMAND, "mock-server", "--port", "0", "--customers", "7", "--workspace", "acc_1"]
    with subprocess.Popen([*command, "--workspace", "acc_2"], stdout=-1, stderr=-1, env=CLEAN_ENV) as process:
        settings = dict(pair.split("=", 1) for pair in process.stdout.readline().decode().split()[1:])
        curl, workspaces = process.stdout.readline().decode(), process.stdout.readline().decode()
        listing = run_process("customers", "--workspace", "acc_2", **settings)
        process.send_signal(signal.SIGINT)
        assert process.stderr.read().strip() == b""
    assert len(ids_in(listing.stdout)) == 7
    assert settings["PIRIOD_WORKSPACE"] == "acc_1"
    assert curl.startswith("curl -H 'Authorization: Token ")
    assert workspaces == "workspaces: acc_1 acc_2; Ctrl-C to stop\n"
    assert process.returncode == 130


def test_mock_server_workspace(run_cli):
    """A workspace id that no header can carry is refused."""
    done = run_cli("mock-server", "--workspace", "a b")
    assert (done.returncode, "Invalid value for '--workspace': workspace='a b': expected" in done.stderr) == (2, True)


def test_layers():
    """The command line uses public names only, one constant of `pagination`, `Secret`, Dask and helpers."""
    modules = {"errors", "query"}  # of public names, for quick imports
    packages = {"cli", "export", "integrations", "mirror", "testing"}
    allowed = NAMES | modules | packages | {"pagination", "plain_text", "version", "transport"}
    for path in (PACKAGE / "cli").glob("*.py"):
        assert within(imports(path, typing=True), "piriod_async") <= allowed, path
