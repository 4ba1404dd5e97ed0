"""Prefetching against a model: any tree of jobs, whose requests end in any order."""

import asyncio
import math
import random

from attrs import define
from hypothesis import given
from hypothesis import strategies as st

from piriod_async.pagination.prefetch import Job, JobResult, OrderedPrefetch
from tests.support.tasks import settle


@define
class JobTree:
    """The items and follow-ups that a job will return."""

    items: list
    follow_ups: list
    expands: bool

    @property
    def items_in_order(self):
        return [*self.items, *(item for tree in self.follow_ups for item in tree.items_in_order)]

    @property
    def depth(self):
        return 1 + max((tree.depth for tree in self.follow_ups), default=0)

    @property
    def size(self):
        return 1 + sum(tree.size for tree in self.follow_ups)


items = st.lists(st.integers(0, 99), max_size=3)
trees = st.recursive(
    st.builds(JobTree, items, st.just([]), st.booleans()),
    lambda smaller: st.builds(JobTree, items, st.lists(smaller, max_size=4), st.booleans()),
    max_leaves=20,
)


@given(st.lists(trees, max_size=8), st.integers(1, 9), st.integers(0, 2**32))
async def test_same_as_sequential(forest, limit, seed):
    """Any tree of jobs runs completely, gives its items in order, and starts no more jobs than it may."""
    rng = random.Random(seed)
    pending, consumed = [], []
    started = max_unconsumed = 0

    def job(tree):
        async def run():
            nonlocal started
            started += 1
            pending.append(asyncio.get_running_loop().create_future())
            await pending[-1]
            return JobResult(consume(tree), [job(follow_up) for follow_up in tree.follow_ups])

        return Job(run, tree.expands)

    def consume(tree):
        consumed.append(tree)
        yield from tree.items

    async def read():
        return [item async for item in OrderedPrefetch(map(job, forest), lambda: limit)]

    consumer = asyncio.create_task(read())
    await settle()
    while not consumer.done():
        assert pending, "deadlock: no job is pending"
        pending.pop(rng.randrange(len(pending))).set_result(None)
        await settle()
        max_unconsumed = max(max_unconsumed, started - len(consumed))
    assert consumer.result() == [item for tree in forest for item in tree.items_in_order]
    assert started == len(consumed) == sum(tree.size for tree in forest)
    # follow-ups push jobs that have started out of the first `limit`, and so do their own follow-ups
    depth = max((tree.depth for tree in forest), default=1)
    assert max_unconsumed <= math.comb(limit + depth - 1, depth)
