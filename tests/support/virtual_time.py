"""An event loop whose time passes only when nothing else is left to do: a minute of waiting takes no time."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any

import pytest


class _Selector(selectors.DefaultSelector):
    now = 1_000.0

    def select(self, timeout=None):
        self.now += max(timeout or 0, 0)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """For tests without sockets: they would not be waited for."""

    def __init__(self) -> None:
        super().__init__(_Selector())

    def time(self) -> float:
        return self._selector.now

    monotonic = time


def run(main: Coroutine[Any, Any, Any], monkeypatch: pytest.MonkeyPatch, *rooms: str) -> Any:
    """Run a coroutine in virtual time, which is what `time` tells in these modules too."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        for room in rooms:
            monkeypatch.setattr(room, runner.get_loop())
        return runner.run(main)
