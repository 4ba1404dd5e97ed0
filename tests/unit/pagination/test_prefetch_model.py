"""Prefetching against a model: any tree of jobs, whose requests end in any order, and a consumer of any speed."""

import asyncio
import math
import random
from functools import partial
from itertools import zip_longest

from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from piriod_async.pagination.prefetch import Job, JobResult, OrderedPrefetch
from tests.support.tasks import settle


@define
class JobTree:
    """The items and follow-ups that a job will return, and whether it waits for the job behind it, if that one may."""

    items: list
    follow_ups: list
    expands: bool
    waits: bool

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
    st.builds(JobTree, items, st.just([]), st.booleans(), st.booleans()),
    lambda smaller: st.builds(JobTree, items, st.lists(smaller, max_size=4), st.booleans(), st.booleans()),
    max_leaves=20,
)


@define
class TreeJobs:
    """The jobs of trees, each of which sends a request that ends when the test says so.

    Attributes:
        may_wait: Whether jobs may wait for each other.
        started: Number of jobs started.
        consumed: Trees whose items have been consumed.
        pending: Requests, of jobs and of a slow consumer.
    """

    may_wait: bool
    started: int = 0
    consumed: list = field(factory=list)
    pending: list = field(factory=list)

    def jobs(self, siblings):
        done = [asyncio.Event() for _ in siblings]
        for index, (tree, behind) in enumerate(zip_longest(siblings, siblings[1:])):
            waits = self.may_wait and tree.waits and behind and not behind.waits and not behind.expands
            yield Job(partial(self._run, tree, done[index], done[index + 1] if waits else None), tree.expands)

    async def request(self):
        self.pending.append(asyncio.get_running_loop().create_future())
        await self.pending[-1]

    async def _run(self, tree, done, behind):
        self.started += 1
        await self.request()
        if behind:
            await behind.wait()
        done.set()
        return JobResult(self._consume(tree), list(self.jobs(tree.follow_ups)))

    def _consume(self, tree):
        self.consumed.append(tree)
        yield from tree.items


@given(st.lists(trees, max_size=8), st.integers(1, 40), st.booleans(), st.integers(0, 2**32))
async def test_same_as_sequential(forest, limit, is_slow, seed):
    """Any tree of jobs runs completely, gives its items in order, and starts no more jobs than it may."""
    rng = random.Random(seed)
    tree_jobs = TreeJobs(may_wait=limit > 1)
    max_unconsumed = 0

    async def read():
        items = []
        async for item in OrderedPrefetch(tree_jobs.jobs(forest), lambda: limit):
            items.append(item)
            if is_slow:
                await tree_jobs.request()
        return items

    consumer = asyncio.create_task(read())
    await settle()
    while not consumer.done():
        assert tree_jobs.pending, "deadlock: no request is pending"
        tree_jobs.pending.pop(rng.randrange(len(tree_jobs.pending))).set_result(None)
        await settle()
        max_unconsumed = max(max_unconsumed, tree_jobs.started - len(tree_jobs.consumed))
    assert consumer.result() == [item for tree in forest for item in tree.items_in_order]
    assert tree_jobs.started == len(tree_jobs.consumed) == sum(tree.size for tree in forest)
    # follow-ups push jobs that have started out of the first `limit`, and so do their own follow-ups
    depth = max((tree.depth for tree in forest), default=1)
    assert max_unconsumed <= math.comb(limit + depth - 1, depth)
