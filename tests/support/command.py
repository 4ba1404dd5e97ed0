"""The command as a process of its own, and what it wrote."""

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
BARE = {name: value for name, value in os.environ.items() if not name.startswith("PIRIOD_")}


def run(*arguments, **env):
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=BARE | env, check=False)


async def beside(*arguments, **env):
    """Run it beside a mock server of this loop."""
    return await asyncio.to_thread(run, *arguments, **env)


async def started(*arguments, env, **options):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return await asyncio.create_subprocess_exec(*COMMAND, *map(str, arguments), env=BARE | env, **pipes)


def env_of(server, **more):
    return {
        "PIRIOD_TOKEN": server.token,
        "PIRIOD_WORKSPACE": server.workspace,
        "PIRIOD_BASE_URL": server.url,
        **more,
    }


def rows_of(path):
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    if path.suffix == ".csv":
        return list(csv.DictReader(io.StringIO(path.read_bytes().decode(), newline="")))
    return [json.loads(line) for line in path.read_bytes().splitlines()]


class Here:
    """The command in this process: its exit code, and what it said."""

    def __init__(self, capfd, monkeypatch):
        self.capfd, self.monkeypatch = capfd, monkeypatch

    def __call__(self, *arguments, **env):
        self.capfd.readouterr()
        with self.monkeypatch.context() as patch:
            for name, value in env.items():
                patch.setenv(name, value)
            code = main([*map(str, arguments)])
        out, error = self.capfd.readouterr()
        return subprocess.CompletedProcess(arguments, code, out, error)

    async def beside(self, *arguments, **env):
        """Run it beside a mock server of this loop."""
        return await asyncio.to_thread(self, *arguments, **env)


@pytest.fixture
def here(capfd, monkeypatch):
    for name in os.environ.keys() - BARE.keys():
        monkeypatch.delenv(name)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    return Here(capfd, monkeypatch)
