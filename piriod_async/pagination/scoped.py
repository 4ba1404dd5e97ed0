"""Leaving early: what was begun under `async with` ends with it."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from typing import Self, TypeVar

from attrs import define, field

_T = TypeVar("_T")
_Task = asyncio.Task[object]


@define(eq=False)
class ScopedIterable:
    """Something to iterate over, whose iterations end when the `async with` ends that they were begun in.

    A loop that is left by `break` alone lets its generator go, and that is closed when the garbage is collected.
    """

    _entered: Counter[_Task | None] = field(factory=Counter, init=False, repr=False)
    _held: dict[object, tuple[_Task, AsyncGenerator[object, None]]] = field(factory=dict, init=False, repr=False)

    async def __aenter__(self) -> Self:
        self._entered[asyncio.current_task()] += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        task = asyncio.current_task()
        if task not in self._entered:  # a stack, or a fixture, that is unwound by another task
            task = next(reversed(self._entered))
        self._entered[task] -= 1
        if self._entered[task]:
            return
        del self._entered[task]
        async with AsyncExitStack() as stack:
            for run, (owner, generator) in list(self._held.items()):
                elsewhere = getattr(generator, "ag_running", False)  # another task is in it, and is the one to end it
                if owner is task and not elsewhere:
                    del self._held[run]
                    stack.push_async_callback(generator.aclose)

    def _hold(self, run: object, generator: AsyncGenerator[_T, None]) -> AsyncGenerator[_T, None]:
        """Keep an iteration begun under `async with` until that ends: nothing else holds on to one that was left."""
        if self._entered and (task := asyncio.current_task()) in self._entered and task:
            self._held[run] = task, generator
        return generator

    def _release(self, run: object) -> None:
        """Forget an iteration that has ended."""
        self._held.pop(run, None)
