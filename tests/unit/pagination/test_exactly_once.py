"""The guarantee of pagination by `created`, against lists that change while they are read."""

import asyncio
import random
from functools import partial
from itertools import accumulate

import pytest
from attrs import define, field
from hypothesis import example, given, note
from hypothesis import strategies as st

from piriod_async.errors import IncompleteListError, NotFoundError
from piriod_async.pagination import by_created
from piriod_async.pagination.by_created import MAX_CONTRADICTIONS
from piriod_async.pagination.time_range import TimeRange, earliest, latest
from tests.support.moving_list import MovingList, read, read_plain
from tests.support.tasks import settle

CHANGES = ("create", "insert", "delete", "unmatch")
TOO_SMALL = {
    "capped": lambda count: min(count, 15),
    "halved": lambda count: count // 2,
    "zero": lambda _: 0,
    "negative": lambda count: -count,
}
TOO_LARGE = {"more": lambda count: count + 25, "tenfold": lambda count: 10 * count}


@st.composite
def creation_times(draw, min_size=0):
    """Microseconds of up to 300 customers, some tied; sometimes with a group of ties that may fill a page."""
    step = st.sampled_from([0, 1, 1, 7, 7, 400, 1_000, 90_000, 1_000_000])
    steps = draw(st.lists(step, min_size=min_size, max_size=300))
    ties = draw(st.sampled_from([0, 0, 0, 9, 40]))
    index = int(draw(st.floats(0, 1)) * len(steps))
    return list(accumulate(steps[:index] + [0] * ties + steps[index:]))


@define
class PendingRequests:
    """Requests to a list that stay pending until the test responds to one of them.

    Attributes:
        customers: The list.
        futures: Future of each pending request, and what responds to it.
    """

    customers: MovingList
    futures: list = field(factory=list)

    async def fetch(self, *request, **options):
        future = asyncio.get_running_loop().create_future()
        self.futures.append((future, partial(self.customers.respond, *request, **options)))
        return await future

    async def settle(self, listing):
        """Let the listing run until it waits for requests; to skip pages that do not exist takes a while."""
        await settle()
        for _ in range(1_000):
            if self.futures or listing.done():
                return
            await asyncio.sleep(0)

    def respond(self, index):
        future, respond = self.futures.pop(index)
        try:
            future.set_result(respond())
        except NotFoundError as error:
            future.set_exception(error)


def may_give_up(customers, page_size):
    """Return whether a listing of such a list may be an error.

    It may if an instant filled a page; if customers were removed in the middle of requests again and again; if more
    than a few customers came in where it had been read already, so that the counts contradict what was delivered; or
    just as many as left, so that nothing tells that the list changed.
    """
    times = [customers.key_of(customer).created for customer in customers.customers]
    most = max((len(customers.select(TimeRange(earliest(time), latest(time)))) for time in times), default=0)
    removed = len(customers.removed_ids)
    if most + removed > page_size or customers.races >= MAX_CONTRADICTIONS or customers.insertions > 2:
        return True
    return customers.insertions and customers.requests[0][-1] == customers.requests[-1][-1]


@given(
    times=creation_times(),
    page_size=st.sampled_from([10, 12, 20]),
    prefetch_limit=st.sampled_from([2, 8, 32]),
    descending=st.booleans(),
    precision=st.sampled_from([1, 1, 1_000, 1_000_000]),
    tie_order=st.sampled_from(["stable", "random", "by slice"]),
    max_page_size=st.sampled_from([100, 100, 11, 8]),
    change_rate=st.sampled_from([0, 0.1, 0.4, 0.6]),
    removes_mid_request=st.booleans(),
    short_segments=st.booleans(),
    count_as=st.sampled_from([None, None, None, *TOO_SMALL, *TOO_LARGE]),
    seed=st.integers(0, 2**32),
)
@example(  # two passes over ties show as many as they count: one that left, and not one that stayed
    times=[0] * 42 + [1],
    page_size=12,
    prefetch_limit=8,
    descending=False,
    precision=1,
    tie_order="by slice",
    max_page_size=11,
    change_rate=0.4,
    removes_mid_request=False,
    short_segments=False,
    count_as=None,
    seed=18347,
)
async def test_exactly_once(
    times,
    page_size,
    prefetch_limit,
    descending,
    precision,
    tie_order,
    max_page_size,
    change_rate,
    removes_mid_request,
    short_segments,
    count_as,
    seed,
):
    """Each customer that matches throughout is delivered, none twice, in order, whatever changes or is miscounted."""
    rng = random.Random(seed)
    customers = MovingList.created_at(
        times,
        rng=rng,
        descending=descending,
        precision=precision,
        tie_order=tie_order,
        max_page_size=max_page_size,
    )
    if count_as:
        customers.count_as, customers.links = (TOO_SMALL | TOO_LARGE)[count_as], "rows"
    if removes_mid_request:
        customers.mid_request = lambda: (
            rng.random() < change_rate and customers.change(rng.choice(("delete", "unmatch")))
        )
    at_start = {customer.id for customer in customers.customers}
    requests = PendingRequests(customers)

    with pytest.MonkeyPatch.context() as patch:
        if short_segments:
            patch.setattr(by_created, "MAX_SEGMENT", 60)
            patch.setattr(by_created, "TARGET_SEGMENT", 50)
        listing = asyncio.create_task(
            read(requests.fetch, page_size=page_size, descending=descending, prefetch_limit=prefetch_limit)
        )
        await requests.settle(listing)
        while not listing.done():
            assert requests.futures, "deadlock: the listing has no pending request"
            while rng.random() < change_rate:
                customers.change(rng.choice((*CHANGES, "purge")))
            requests.respond(rng.randrange(len(requests.futures)))
            await requests.settle(listing)
    assert all(future.cancelled() for future, _ in requests.futures)
    note(f"{len(customers.requests)} requests")
    if isinstance(listing.exception(), IncompleteListError):
        assert count_as in TOO_LARGE or may_give_up(customers, min(page_size, max_page_size))
        return
    keys = listing.result()
    ids = [key.id for key in keys]
    assert at_start - customers.removed_ids <= set(ids)
    assert len(ids) == len(set(ids))
    created = [key.created for key in keys]
    assert created == sorted(created, reverse=descending)


async def test_plain_crawl_fails():
    """A plain crawl by page number skips or repeats customers of such lists, so the test above can fail."""
    failures = 0
    for seed in range(50):
        rng = random.Random(seed)
        customers = MovingList.created_at([7 * n for n in range(300)], rng=rng)
        at_start = {customer.id for customer in customers.customers}

        async def fetch(*request, rng=rng, customers=customers, **options):
            await asyncio.sleep(0)
            if rng.random() < 0.4:
                customers.change(rng.choice(CHANGES))
            return customers.respond(*request, **options)

        ids = [key.id for key in await read_plain(fetch, page_size=20)]
        failures += len(ids) != len(set(ids)) or not at_start - customers.removed_ids <= set(ids)
    assert failures >= 10
