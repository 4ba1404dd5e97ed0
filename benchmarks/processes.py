"""The processes of a benchmark: servers that print where they are, clients that are given jobs."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from os import environ
from pathlib import Path
from typing import Any, Self
from urllib.request import Request, urlopen

import msgspec

from benchmarks.clients import Figures, Job
from benchmarks.target import Target

ROOT = Path(__file__).parent.parent


class Process:
    """A module of ours, run by itself, or beneath another command; standard input and output are ours."""

    def __init__(self, module: str, *arguments: str, beneath: Sequence[str] = (), **environment: str) -> None:
        command = [*beneath, sys.executable, "-m", f"benchmarks.{module}", *arguments]
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=environ | environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def ask(self, line: bytes) -> bytes:
        """Write a line, if there is one, and read the answer."""
        assert self._process.stdin
        assert self._process.stdout
        if line:
            self._process.stdin.write(line + b"\n")
            self._process.stdin.flush()
        while (answer := self._process.stdout.readline()).startswith((b"py-spy>", b"\n")):
            pass
        if not answer:
            raise RuntimeError(f"{self._process.args!r} ended with {self._process.wait()}")
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()  # the end of its input is the end of it


class ServerProcess(Process):
    """A server; it says first where it is."""

    def __init__(self, module: str, *arguments: str, **environment: str) -> None:
        super().__init__(module, *arguments, **environment)
        self.url = self.ask(b"").decode().strip()

    def tally(self) -> Mapping[str, Any]:
        """What was asked of it since this was last called; the server of prepared bytes knows."""
        tally: Mapping[str, Any] = json.loads(get(f"{self.url}/tally"))
        return tally


class ClientProcess(Process):
    """One of the clients."""

    def __init__(self, name: str, beneath: Sequence[str] = ()) -> None:
        super().__init__("clients", name, beneath=beneath)
        self._decoder = msgspec.json.Decoder(Figures)

    def crawl(self, target: Target, *, watch: bool = False, collect: bool = True) -> Figures:
        return self._decoder.decode(self.ask(msgspec.json.encode(Job(target, watch, collect))))


def get(url: str, headers: Mapping[str, str] | None = None) -> bytes:
    with urlopen(Request(url, headers=dict(headers or {})), timeout=300) as response:
        body: bytes = response.read()
    return body
