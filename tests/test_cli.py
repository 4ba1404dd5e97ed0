"""The command line, as a process of its own."""

import asyncio
import json
import os
import signal
import subprocess
import sys

import pytest

from piriod_async.sandbox import Sandbox

COMMAND = [sys.executable, "-m", "piriod_async"]
BARE = {name: value for name, value in os.environ.items() if not name.startswith("PIRIOD_")}


def run(*arguments, **env):
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, env=BARE | env, check=False)


async def test_all_customers_of_a_sandbox():
    done = run("customers", "--sandbox", "2500")
    async with Sandbox(2_500) as sandbox:
        expected = [customer["id"] for customer in sandbox.customers()]
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == expected
    assert (done.returncode, done.stderr) == (0, "")


async def test_filters():
    done = run("customers", "--sandbox", "2500", "--country", "CL", "--metadata", "plan=gold", "--ordering=-created")
    async with Sandbox(2_500) as sandbox:
        expected = [
            customer["id"]
            for customer in sandbox.customers()
            if customer["country"]["id"] == "CL" and customer["metadata"].get("plan") == "gold"
        ]
    assert expected
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == expected[::-1]


def test_money_is_written_as_it_came():
    line = run("customers", "--sandbox", "1").stdout
    balance = json.loads(line, parse_float=str, parse_int=str)["aggregations"]["balance"]
    assert isinstance(balance, str)
    assert f'"balance":{balance}' in line


def test_without_a_token_it_says_what_to_set():
    done = run("customers")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "PIRIOD_TOKEN" in done.stderr
    assert "--sandbox" in done.stderr


async def test_the_environment_says_whose_customers():
    async with Sandbox(3) as sandbox:
        env = {"PIRIOD_TOKEN": sandbox.token, "PIRIOD_WORKSPACE": sandbox.workspace, "PIRIOD_BASE_URL": sandbox.url}
        listing = await _in_thread("customers", **env)
        test_data = await _in_thread("customers", "--test-mode", **env)
        refused = await _in_thread("customers", "--workspace", "acc_other", **env)
    assert len(listing.stdout.splitlines()) == 3
    assert all(json.loads(line)["test_mode"] for line in test_data.stdout.splitlines())
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert "403" in refused.stderr


async def _in_thread(*arguments, **env):
    return await asyncio.to_thread(run, *arguments, **env)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--created-gte", "2026-01-31"], "with its zone"),
        (["--created-lte", "yesterday"], "with its zone"),
        (["--metadata", "plan"], "KEY=VALUE"),
        (["--sandbox", "many"], "number of customers"),
        (["--colour", "red"], "--colour"),
    ],
)
def test_wrong_usage(arguments, said):
    done = run("customers", *arguments)
    assert done.returncode == 2
    assert said in done.stderr


def test_a_wrong_filter_is_one_line():
    done = run("customers", "--sandbox", "--country", " ")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("piriod-async: country=' ': expected")
    assert done.stderr.count("\n") == 1


def test_a_reader_that_has_had_enough():
    with subprocess.Popen([*COMMAND, "customers", "--sandbox", "5000"], stdout=-1, stderr=-1, env=BARE) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_the_sandbox_serves_until_interrupted():
    with subprocess.Popen([*COMMAND, "sandbox", "--port", "0", "--customers", "7"], stdout=-1, env=BARE) as process:
        settings = dict(pair.split("=", 1) for pair in process.stdout.readline().decode().split())
        curl = process.stdout.readline().decode()
        listing = run("customers", **settings)
        process.send_signal(signal.SIGINT)
    assert len(listing.stdout.splitlines()) == 7
    assert curl.startswith("curl -H 'Authorization: Token ")
    assert process.returncode == 130
