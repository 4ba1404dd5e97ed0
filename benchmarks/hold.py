"""How long callbacks hold an event loop: every one is timed as the loop runs it.

The clock is the thread's CPU time: on a busy machine the wall's would show mostly the neighbours.
"""

import asyncio
import gc
import math
import statistics
import time
from asyncio.base_events import BaseEventLoop
from asyncio.events import Handle
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle, islice
from typing import Any
from urllib.parse import urlencode, urlsplit
from urllib.request import Request, urlopen

from attrs import define, field

from benchmarks.ours import DECODER
from benchmarks.target import Client, Target

WARM = 2  # crawls before the one that is watched


@define
class Watch:
    """Times the callbacks of an event loop.

    Attributes:
        mine: Which callbacks count; given the callback.
        holds: CPU seconds of each.
        turns: CPU seconds that they took together, in each turn of the loop.
    """

    mine: Callable[[Any], bool]
    holds: list[float] = field(factory=list)
    turns: list[float] = field(factory=list)

    @contextmanager
    def watching(self) -> Iterator[None]:
        run, run_once = Handle._run, BaseEventLoop._run_once  # type: ignore[attr-defined]  # noqa: SLF001
        clock, turn = time.thread_time, 0.0

        def timed_run(handle: Any) -> None:
            nonlocal turn
            mine = self.mine(handle._callback)  # noqa: SLF001
            started = clock()
            run(handle)
            if mine:
                took = clock() - started
                self.holds.append(took)
                turn += took

        def timed_turn(loop: Any) -> None:
            nonlocal turn
            turn = 0.0
            run_once(loop)
            if turn:
                self.turns.append(turn)

        Handle._run, BaseEventLoop._run_once = timed_run, timed_turn  # type: ignore  # noqa: PGH003, SLF001
        try:
            yield
        finally:
            Handle._run, BaseEventLoop._run_once = run, run_once  # type: ignore  # noqa: PGH003, SLF001

    def figures(self) -> dict[str, float]:
        """The percentiles, µs."""
        return {
            "callbacks": len(self.holds),
            "p50": 1e6 * percentile(self.holds, 50),
            "p99": 1e6 * percentile(self.holds, 99),
            "longest": 1e6 * max(self.holds),
            "turn p99": 1e6 * percentile(self.turns, 99),
            "longest turn": 1e6 * max(self.turns),
        }


def percentile(values: Sequence[float], percent: float) -> float:
    return sorted(values)[max(math.ceil(len(values) * percent / 100) - 1, 0)]


def decoding(target: Target, pages: int = 50) -> float:
    """The median time that msgspec takes for one page of the list, CPU seconds."""
    bodies = []
    for number in range(1, pages + 1):
        url = f"{target.url}/customers/?{urlencode(target.params(number))}"
        with urlopen(Request(url, headers=target.headers)) as response:
            bodies.append(response.read())
    times = []
    for body in islice(cycle(bodies), 10 * pages):
        started = time.thread_time()
        DECODER.decode(body)
        times.append(time.thread_time() - started)
    return statistics.median(times)


def belongs_to(port: int, tasks: Callable[[asyncio.Task[Any]], bool]) -> Callable[[Any], bool]:
    """Tell the callbacks of some tasks, and of the connections to a port, from all others."""

    def mine(callback: Any) -> bool:
        owner = getattr(callback, "__self__", None)
        if isinstance(owner, asyncio.Task):
            return tasks(owner)
        if isinstance(owner, asyncio.Transport):
            peer = owner.get_extra_info("peername")
            return bool(peer) and peer[1] == port
        return False

    return mine


def watched(client: Client, target: Target) -> tuple[int, dict[str, float]]:
    """Crawl with all callbacks of the loop watched, garbage frozen; how many customers came, and the percentiles."""
    one = decoding(target)

    async def crawl() -> int:
        for _ in range(WARM):
            await client(target)
        gc.collect()
        gc.freeze()
        with watch.watching():
            return await client(target)

    watch = Watch(lambda _: True)
    customers = asyncio.run(crawl())
    gc.unfreeze()
    return customers, watch.figures() | {"decoding": 1e6 * one}


def port_of(url: str) -> int:
    return urlsplit(url).port or 0
