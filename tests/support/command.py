"""Run the command line, in this process or in one of its own, and read what it wrote."""

import asyncio
import csv
import io
import json
import os
import subprocess
import sys

import pyarrow.parquet as pq
import pytest

from piriod_async.cli.main import main

COMMAND = [sys.executable, "-m", "piriod_async"]
CLEAN_ENV = {name: value for name, value in os.environ.items() if not name.startswith("PIRIOD_")}


def without_coverage(env):
    """Return an environment whose process does not measure coverage, for it could not write that to a full disk."""
    return {name: value for name, value in env.items() if not name.startswith("COVERAGE")}


def run_process(*arguments, **env):
    """Run the command in a process of its own."""
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=CLEAN_ENV | env, check=False)


async def start_process(*arguments, env, **options):
    """Start the command in a process of its own."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return await asyncio.create_subprocess_exec(*COMMAND, *map(str, arguments), env=CLEAN_ENV | env, **pipes)


def env_of(server, **more):
    """Return the environment that points the command to a mock server."""
    return {
        "PIRIOD_TOKEN": server.token,
        "PIRIOD_WORKSPACE": server.workspace,
        "PIRIOD_BASE_URL": server.url,
        **more,
    }


def ids_in(output):
    """Return the ids in JSON lines."""
    return [json.loads(line)["id"] for line in output.splitlines()]


def read_rows(path):
    """Return the rows of an exported file."""
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    if path.suffix == ".csv":
        return list(csv.DictReader(io.StringIO(path.read_bytes().decode(), newline="")))
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def same_content(one, other):
    """Return whether two exported files are equal; Parquet by its table."""
    if one.suffix == ".parquet":
        return pq.read_table(one).equals(pq.read_table(other))
    return one.read_bytes() == other.read_bytes()


@pytest.fixture
def run_cli(capfd, monkeypatch):
    """Run the command in this process, and return its exit code and what it printed."""
    for name in os.environ.keys() - CLEAN_ENV.keys():
        monkeypatch.delenv(name)
    monkeypatch.setattr("sys.stdin", io.StringIO())

    def run(*arguments, **env):
        capfd.readouterr()
        with monkeypatch.context() as patch:
            for name, value in env.items():
                patch.setenv(name, value)
            code = main([*map(str, arguments)])
        out, error = capfd.readouterr()
        return subprocess.CompletedProcess(arguments, code, out, error)

    return run


@pytest.fixture
def run_cli_in_thread(run_cli):
    """Run the command while this event loop serves its requests."""

    async def run(*arguments, **env):
        return await asyncio.to_thread(run_cli, *arguments, **env)

    return run
