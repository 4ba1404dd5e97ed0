"""Child processes: servers that print their address, clients that are sent jobs."""

import json
import subprocess
import sys
from collections.abc import Sequence
from os import environ
from pathlib import Path
from typing import Any, Self
from urllib.request import urlopen

import msgspec

from benchmarks.clients.config import ClientConfig
from benchmarks.clients.worker import Job, Measurement

ROOT = Path(__file__).parent.parent


class Process:
    """A module of `benchmarks` in a process of its own, which ends when its standard input does.

    Args:
        module: Name below `benchmarks`.
        *arguments: Its command line.
        wrapper: A command that runs the command, such as a profiler.
        **env: Environment variables to add.
    """

    def __init__(self, module: str, *arguments: str, wrapper: Sequence[str] = (), **env: str) -> None:
        command = [*wrapper, sys.executable, "-m", f"benchmarks.{module}", *arguments]
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=environ | env, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def read_line(self) -> bytes:
        """Read a line of its output."""
        assert self._process.stdout
        while (line := self._process.stdout.readline()).startswith((b"py-spy>", b"\n")):
            pass
        if not line:
            raise RuntimeError(f"{self._process.args!r} exited with {self._process.wait()}")
        return line

    def ask(self, line: bytes) -> bytes:
        """Write a line to its input, and read its answer."""
        assert self._process.stdin
        self._process.stdin.write(line + b"\n")
        self._process.stdin.flush()
        return self.read_line()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()


class ServerProcess(Process):
    """A server from `benchmarks.servers`. The first line that it prints is its address."""

    def __init__(self, name: str, *arguments: str, **env: str) -> None:
        super().__init__(f"servers.{name}", *arguments, **env)
        self.url = self.read_line().decode().strip()

    def take_counters(self) -> dict[str, Any]:
        """Return the static server's request counters, and reset them."""
        with urlopen(f"{self.url}/counters") as response:
            counters: dict[str, Any] = json.load(response)
        return counters

    def change(self) -> None:
        """Change one customer in a hundred of the static server."""
        with urlopen(f"{self.url}/change") as response:
            response.read()


class ClientProcess(Process):
    """One of `benchmarks.clients.CLIENTS`."""

    def __init__(self, name: str, wrapper: Sequence[str] = ()) -> None:
        super().__init__("clients.worker", name, wrapper=wrapper)

    def crawl(self, config: ClientConfig, *, collect_garbage: bool = True) -> Measurement:
        """Read the list once."""
        answer = self.ask(msgspec.json.encode(Job(config, collect_garbage)))
        return msgspec.json.decode(answer, type=Measurement)
