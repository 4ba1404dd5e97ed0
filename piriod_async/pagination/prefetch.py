"""The ordered, bounded look-ahead: many under way, one after the other to the consumer."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Collection, Coroutine, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any, Generic, TypeVar

from attrs import define, field, frozen

T = TypeVar("T")
PREFETCH_PER_REQUEST = 4  # slots not yet consumed, for each request that may be under way


@frozen
class Result(Generic[T]):
    """What a slot comes to.

    Attributes:
        items (Iterable): What it gives the consumer.
        then (Sequence[Slot]): The slots that take its place, for one that finds out what there is to do.
    """

    items: Iterable[T]
    then: "Sequence[Slot[T]]" = ()


@frozen(eq=False)
class Slot(Generic[T]):
    """One thing to do, and its place in the order.

    Attributes:
        run: Does it. It may wait for other slots.
        wide (bool): Whether it will come to more slots than there is room for. Until those are known, they might be
            crowded out by those of later wide slots, so these wait.
    """

    run: Callable[[], Coroutine[Any, Any, Result[T]]]
    wide: bool = False


@define(eq=False)
class _Place(Generic[T]):
    """A slot that stands in the line."""

    slot: Slot[T]
    task: asyncio.Task[Result[T]] | None = None
    spread: bool = False

    @property
    def result(self) -> Result[T] | None:
        task = self.task
        return task.result() if task and task.done() and not task.cancelled() and not task.exception() else None


@define(eq=False)
class _Line(Generic[T]):
    """The slots not yet consumed, in order. Nothing else holds on to what came of them."""

    source: Iterator[Slot[T]]
    ahead: Callable[[], int]
    places: deque[_Place[T]] = field(factory=deque)

    def advance(self) -> None:
        """Begin the slots that there is room for, and put those that take a slot's place behind it."""
        index, unknown, ahead = 0, False, self.ahead()
        while index < ahead:
            if index == len(self.places):
                self.places.extend(map(_Place, islice(self.source, 1)))
                if index == len(self.places):
                    return
            place = self.places[index]
            index += 1
            if place.spread:
                continue
            if place.task is None and not (unknown and place.slot.wide):
                place.task = asyncio.create_task(place.slot.run())
                place.task.add_done_callback(partial(self._ended, place))
            result = place.result
            if result is None:
                unknown |= place.slot.wide
            elif not unknown:
                place.spread = True
                for offset, slot in enumerate(result.then):
                    self.places.insert(index + offset, _Place(slot))

    def _ended(self, place: _Place[T], _: object) -> None:
        result = place.result if self.places else None  # none are left once the line is closed
        if result and (result.then or place.slot.wide):
            self.advance()

    async def close(self) -> None:
        running = [place.task for place in self.places if place.task]
        self.places.clear()
        await cancel(running)


async def run_ordered(slots: Iterable[Slot[T]], ahead: Callable[[], int]) -> AsyncGenerator[T, None]:
    """Run slots side by side, and yield what they come to in the order they stand.

    The first `ahead` of those not yet consumed are under way, or done and waiting; the next is begun when one is
    consumed, so a consumer that stops reading stops them. However it ends, none is left running.

    Args:
        slots: What to run; taken one by one, as there is room.
        ahead: Says how many, those included that wait for another; it may say something else later.
    """
    line = _Line(iter(slots), ahead)
    try:
        line.advance()
        while line.places:
            head = line.places[0].task
            assert head is not None  # noqa: S101 (the first of the line is always begun)
            for item in (await head).items:
                yield item
            line.places.popleft()
            line.advance()
    finally:
        await line.close()


async def cancel(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel tasks, and wait until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
