"""The ordered, bounded look-ahead: what is under way, what comes out, and that nothing is left."""

import asyncio
import math
import random
from collections.abc import Iterator
from contextlib import aclosing
from functools import partial

import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from piriod_async.pagination.prefetch import Result, Slot, _Line, cancel, run_ordered
from tests.support.moving_list import settle

pytestmark = pytest.mark.usefixtures("no_leaks")


@define
class Work:
    """Slots that end when they are told to, and what has become of them."""

    pulled: list[str] = field(factory=list)
    begun: list[str] = field(factory=list)
    ended: list[str] = field(factory=list)
    answers: dict[str, asyncio.Future] = field(factory=dict)
    out: list[str] = field(factory=list)

    def slot(self, name, *, wide=False):
        return Slot(partial(self.run, name), wide)

    def slots(self, names) -> Iterator[Slot]:
        for name in names:
            self.pulled.append(name)
            yield self.slot(name)

    async def run(self, name):
        self.begun.append(name)
        self.answers[name] = asyncio.get_running_loop().create_future()
        try:
            return await self.answers[name]
        finally:
            await asyncio.sleep(0)  # even one that takes its time to end is waited for
            self.ended.append(name)

    async def end(self, *names, then=()):
        for name in names:
            if not self.answers[name].cancelled():
                self.answers[name].set_result(Result([name], then))
        await settle()

    async def fail(self, name, error):
        self.answers[name].set_exception(error)
        await settle()

    async def consume(self, items, limit=None):
        async with aclosing(items):
            async for item in items:
                self.out.append(item)
                if len(self.out) == limit:
                    break

    async def consuming(self, slots, ahead, limit=None):
        task = asyncio.create_task(self.consume(run_ordered(slots, lambda: ahead), limit))
        await settle()
        return task


async def test_items_come_in_the_order_of_the_slots_not_of_the_answers():
    work = Work()
    task = await work.consuming(work.slots("abcd"), 4)
    await work.end("d", "b")
    assert work.out == []
    await work.end("a")
    assert work.out == ["a", "b"]
    await work.end("c")
    assert work.out == ["a", "b", "c", "d"]
    await task


@pytest.mark.parametrize("ahead", [1, 2, 5])
async def test_no_more_than_ahead_are_begun_or_pulled(ahead):
    work = Work()
    names = "abcdefghij"
    task = await work.consuming(work.slots(names), ahead)
    for done, name in enumerate(names):
        assert work.begun == work.pulled == list(names[: done + ahead])
        await work.end(name)
    await task
    assert work.out == list(names)


async def test_a_consumer_that_stops_reading_stops_them():
    work = Work()
    items = run_ordered(work.slots("abcdefgh"), lambda: 3)
    first = asyncio.create_task(anext(items))
    await settle()
    await work.end("b", "c", "a")
    assert await first == "a"
    await settle()
    assert work.begun == ["a", "b", "c"]
    assert await anext(items) == "b"
    await settle()
    assert work.begun == ["a", "b", "c", "d"]
    await items.aclose()


async def test_nothing_is_begun_before_the_first_item_is_asked_for():
    work = Work()
    items = run_ordered(work.slots("ab"), lambda: 2)
    await settle()
    assert work.pulled == []
    await items.aclose()
    assert work.pulled == []


async def test_slots_take_the_place_of_the_one_that_names_them():
    work = Work()
    task = await work.consuming(work.slots("az"), 3)
    await work.end("z")
    await work.end("a", then=[work.slot("b"), work.slot("c")])
    assert work.begun == ["a", "z", "b", "c"]
    await work.end("c")
    assert work.out == ["a"]
    await work.end("b", then=[work.slot("b1")])
    await work.end("b1")
    await task
    assert work.out == ["a", "b", "b1", "c", "z"]


async def test_a_slot_that_is_done_opens_its_own_before_its_turn():
    work = Work()
    task = await work.consuming(work.slots("ab"), 4)
    await work.end("b", then=[work.slot("b1"), work.slot("b2"), work.slot("b3")])
    assert work.begun == ["a", "b", "b1", "b2"]
    await work.end("b2", "b1", "a")
    await work.end("b3")
    await task
    assert work.out == ["a", "b", "b1", "b2", "b3"]


async def test_a_wide_slot_waits_until_the_one_before_it_is_known():
    work = Work()
    wide = [work.slot("A", wide=True), work.slot("a"), work.slot("B", wide=True), work.slot("b")]
    task = await work.consuming(wide, 6)
    assert work.begun == ["A", "a", "b"]
    await work.end("b", then=[work.slot("b1")])
    assert work.begun == ["A", "a", "b"], "what b names might crowd out what A will"
    await work.end("A", then=[work.slot("A1"), work.slot("A2")])
    assert work.begun == ["A", "a", "b", "A1", "A2", "B"]
    await work.end("B", "A2", "A1", "a")
    await work.end("b1")
    await task
    assert work.out == ["A", "A1", "A2", "a", "B", "b", "b1"]


@pytest.mark.parametrize("name", "abcd")
async def test_an_error_comes_in_its_place(name):
    work = Work()
    task = await work.consuming(work.slots("abcd"), 4)
    await work.fail(name, ZeroDivisionError())
    await work.end(*(other for other in "abcd" if other != name))
    with pytest.raises(ZeroDivisionError):
        await task
    assert work.out == list("abcd"[: "abcd".index(name)])


async def test_of_two_errors_the_first_in_order_is_raised_and_the_rest_is_ended():
    work = Work()
    task = await work.consuming(work.slots("abcdef"), 4)
    await work.fail("c", KeyError("c"))
    await work.fail("b", KeyError("b"))
    await work.end("a")
    with pytest.raises(KeyError, match="b"):
        await task
    assert work.begun == work.pulled[:4] == list("abcd")
    assert sorted(work.ended) == work.begun


async def test_an_error_while_items_are_made():
    def items():
        yield "a"
        raise ZeroDivisionError

    async def run():
        return Result(items())

    work = Work()
    task = await work.consuming([Slot(run), work.slot("b")], 2)
    with pytest.raises(ZeroDivisionError):
        await task
    assert (work.out, work.ended) == (["a"], ["b"])


async def test_an_error_of_the_source():
    def source():
        yield work.slot("a")
        raise ZeroDivisionError

    work = Work()
    task = await work.consuming(source(), 2)
    with pytest.raises(ZeroDivisionError):
        await task


@pytest.mark.parametrize("taken", [1, 2, 3])
async def test_a_break_ends_what_is_under_way_and_waits_for_it(taken):
    work = Work()
    task = await work.consuming(work.slots("abcdefgh"), 4, limit=taken)
    await work.end("d")
    await work.end("a", "b", "c")
    await task
    assert work.out == list("abc"[:taken])
    assert sorted(work.ended) == work.begun == list("abcd")
    assert len(work.pulled) == 3 + taken


@pytest.mark.parametrize("answered", ["", "a", "bc"])
async def test_a_cancelled_consumer_ends_what_is_under_way_and_waits_for_it(answered):
    work = Work()
    task = await work.consuming(work.slots("abcdefgh"), 4)
    await work.end(*answered)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sorted(work.ended) == sorted(work.begun)


async def test_slots_that_name_others_while_they_are_ended():
    """What is left answers its cancellation with more to do: that is not begun any more."""

    async def stubborn():
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            return Result(["late"], [work.slot("later")])

    work = Work()
    task = await work.consuming([work.slot("a"), Slot(stubborn), work.slot("b")], 2, limit=1)
    await work.end("a")
    await task
    assert (work.out, work.begun) == (["a"], ["a"])


async def test_slots_may_wait_for_each_other():
    known = asyncio.Event()

    async def wait():
        await known.wait()
        return Result(["first"])

    async def tell():
        known.set()
        return Result(["second"])

    assert [item async for item in run_ordered([Slot(wait), Slot(tell)], lambda: 2)] == ["first", "second"]


async def test_an_empty_source():
    assert [item async for item in run_ordered([], lambda: 3)] == []


async def test_cancel_waits_for_tasks_that_fail_or_take_their_time():
    async def run():
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await asyncio.sleep(0)
            raise ZeroDivisionError

    tasks = [asyncio.create_task(run()) for _ in range(3)]
    await settle()
    await cancel(tasks)
    assert all(task.done() for task in tasks)
    await cancel([])


@define
class Tree:
    """A slot to be: what it gives, and what takes its place."""

    items: list[int]
    then: list["Tree"]
    wide: bool

    def sequence(self):
        return [*self.items, *(item for tree in self.then for item in tree.sequence())]

    @property
    def depth(self):
        return 1 + max((tree.depth for tree in self.then), default=0)

    @property
    def size(self):
        return 1 + sum(tree.size for tree in self.then)


items = st.lists(st.integers(0, 99), max_size=3)
trees = st.recursive(
    st.builds(Tree, items, st.just([]), st.booleans()),
    lambda below: st.builds(Tree, items, st.lists(below, max_size=4), st.booleans()),
    max_leaves=20,
)


@given(st.lists(trees, max_size=8), st.integers(1, 9), st.integers(0, 2**32))
async def test_the_same_as_one_after_the_other(forest, ahead, seed):
    rng = random.Random(seed)
    waiting, consumed, most = [], [], 0
    begun = 0

    def slot(tree):
        async def run():
            nonlocal begun
            begun += 1
            waiting.append(asyncio.get_running_loop().create_future())
            await waiting[-1]
            return Result(given_by(tree), [slot(below) for below in tree.then])

        return Slot(run, tree.wide)

    def given_by(tree):
        consumed.append(tree)
        yield from tree.items

    async def read():
        return [item async for item in run_ordered(map(slot, forest), lambda: ahead)]

    reading = asyncio.create_task(read())
    await settle()
    while not reading.done():
        assert waiting, "it waits for nothing"
        waiting.pop(rng.randrange(len(waiting))).set_result(None)
        await settle()
        most = max(most, begun - len(consumed))
    assert reading.result() == [item for tree in forest for item in tree.sequence()]
    assert begun == len(consumed) == sum(tree.size for tree in forest)
    # a slot that names others pushes out of the first `ahead` some that are begun already; so may those it names
    depth = max((tree.depth for tree in forest), default=1)
    assert most <= math.comb(ahead + depth - 1, depth)


async def test_a_line_that_is_closed_moves_no_more():
    """A slot may end in the turn in which the line is left, and its callback come after that."""

    async def run():
        return Result([], [Slot(run)])

    asked = []
    line = _Line(iter([Slot(run)]), lambda: asked.append("ahead") or 1)
    line.advance()
    [place] = line.places
    await place.task
    await line.close()
    asked.clear()
    line._ended(place, place.task)
    assert asked == []
