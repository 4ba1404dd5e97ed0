"""Close iterators when the `async with` block that they were started in exits."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from types import AsyncGeneratorType
from typing import Self, TypeVar, cast

from attrs import define, field

T = TypeVar("T")


@define(eq=False)
class _Scope:
    """One `async with` block, and the generators that were started in it."""

    task: asyncio.Task[object] | None
    generators: list[AsyncGeneratorType[object, None]] = field(factory=list)

    def add(self, generator: AsyncGeneratorType[object, None]) -> None:
        self.generators = [kept for kept in self.generators if kept.ag_frame]  # the others have finished
        self.generators.append(generator)

    async def aclose(self) -> None:
        async with AsyncExitStack() as stack:
            for generator in self.generators:
                if not generator.ag_running:  # otherwise another task iterates over it, and that task closes it
                    stack.push_async_callback(generator.aclose)


@define(eq=False)
class ScopedIterable:
    """Closes iterators started inside `async with` when the block exits.

    Without the block, a `break` leaves the iterator to the garbage collector.
    """

    _scopes: list[_Scope] = field(factory=list, init=False, repr=False)

    async def __aenter__(self) -> Self:
        self._scopes.append(_Scope(asyncio.current_task()))
        return self

    async def __aexit__(self, *_: object) -> None:
        if not self._scopes:
            raise RuntimeError(f"{type(self).__name__}.__aexit__() was called without __aenter__()")
        # a fixture, or an exit stack, may be unwound by another task than entered it: then it is the last scope
        scope = self._scope() or self._scopes[-1]
        self._scopes.remove(scope)
        await scope.aclose()

    def _scope(self) -> _Scope | None:
        """Return the innermost block of the running task."""
        task = asyncio.current_task() if self._scopes else None
        return next((scope for scope in reversed(self._scopes) if scope.task is task), None)

    def _register(self, generator: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
        """Return a generator, to be closed with the block that it was started in, if it was in one."""
        if scope := self._scope():
            scope.add(cast("AsyncGeneratorType[object, None]", generator))
        return generator
