"""Servers whose list moves while it is read, or that crash, and crawls of them.

A mock server mutates between and within requests; the Django REST Framework server (`tests/contract/reference`) is
written to by a thread; `CrashingServer` goes down.
"""

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Iterable
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

from aiohttp import ClientSession
from attrs import define, field, frozen
from yarl import URL

from piriod_async import APIConnectionError, Checkpoint, IncompleteListError, PiriodSession, RetryPolicy
from piriod_async.testing import MockServer, Mutations
from tests.support.plain_crawl import plain_crawl

HEAVY = Mutations(rate=8, race=0.5)
# options of the mock server and query, by name
MOCK_SERVERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "mock server": ({"mutations": HEAVY}, {}),
    "mock server, -created": ({"mutations": HEAVY}, {"ordering": "-created"}),
    "mock server, country=CL": ({"mutations": HEAVY}, {"country": "CL"}),
    "mock server, timestamps in seconds": ({"mutations": HEAVY, "timestamp_precision": "seconds"}, {}),
    "mock server, shuffled ties": ({"mutations": Mutations(rate=8), "tie_order": "shuffled"}, {}),
}
# query by name
REFERENCE_QUERIES: dict[str, dict[str, Any]] = {
    "framework": {},
    "framework, -created": {"ordering": "-created"},
    "framework, country=CL": {"country": "CL"},
}


@frozen
class CrawlReport:
    """A comparison of what a crawl delivered with what it should have.

    Attributes:
        missed: Customers that matched throughout and were not delivered.
        repeated: Customers that were delivered more than once.
        in_order: Whether customers were delivered by `created`.
        customers: Number of customers delivered.
        requests: Number of requests.
    """

    missed: int
    repeated: int
    in_order: bool
    customers: int
    requests: int

    @classmethod
    def compare(
        cls, delivered: list[tuple[str, Any]], unchanged: Iterable[str], requests: int, *, descending: bool
    ) -> "CrawlReport":
        ids = Counter(id_ for id_, _ in delivered)
        timestamps = [created for _, created in delivered]
        return cls(
            missed=len(set(unchanged) - ids.keys()),
            repeated=ids.total() - len(ids),
            in_order=timestamps == sorted(timestamps, reverse=descending),
            customers=len(delivered),
            requests=requests,
        )

    @property
    def is_correct(self) -> bool:
        return not self.missed and not self.repeated and self.in_order


async def ours(server: Any, query: dict[str, Any]) -> list[tuple[str, Any]]:
    """Crawl with this library."""
    async with PiriodSession(server.token, server.workspace, base_url=server.url) as piriod:
        return [(customer.id, customer.created) async for customer in piriod.customers(**query)]


async def plain(server: Any, query: dict[str, Any]) -> list[tuple[str, Any]]:
    """Crawl by page numbers."""
    headers = {"Authorization": f"Token {server.token}", "x-simple-workspace": server.workspace}

    async def fetch(number: int) -> tuple[int, list[tuple[str, Any]]]:
        params = {"ordering": "created", "page_size": 100, **query, "page": number}
        async with http.get(f"{server.url}/customers/", params=params) as response:
            if response.status == 404:
                return 0, []
            body = await response.json()
            return body["count"], [(customer["id"], customer["created"]) for customer in body["results"]]

    async with ClientSession(headers=headers) as http:
        return await plain_crawl(fetch)


def matching_ids(customers: Iterable[dict[str, Any]], query: dict[str, Any]) -> set[str]:
    country = query.get("country")
    return {customer["id"] for customer in customers if country in (None, (customer["country"] or {}).get("id"))}


async def crawl_mock_server(name: str, crawl: Any = ours, *, seed: int, customers: int = 2_000) -> CrawlReport:
    options, query = MOCK_SERVERS[name]
    async with MockServer(customers, seed=seed, **options) as server:
        if options.get("tie_order"):
            for customer in server.customers()[::20]:
                server.add(created=customer["created"])
            server.changes.clear()
        at_start = matching_ids(server.customers(), query)
        delivered = await crawl(server, query)
        unchanged = at_start.intersection(server.unchanged_ids())
        assert server.changes
        descending = query.get("ordering") == "-created"
        return CrawlReport.compare(delivered, unchanged, len(server.requests), descending=descending)


@define
class Writer:
    """A thread that deletes, inserts and edits customers of the reference server as fast as it can."""

    server: Any
    customers: list[dict[str, Any]]
    random: random.Random
    changed: set[str] = field(factory=set)
    writes: int = 0
    _stopped: threading.Event = field(factory=threading.Event)

    def write(self) -> None:
        ids = [customer["id"] for customer in self.customers]
        countries = {customer["country"]["id"]: customer["country"] for customer in self.customers}
        while not self._stopped.is_set():
            index = self.random.randrange(len(ids))
            model = self.customers[self.random.randrange(len(self.customers))]
            kind = self.random.choice(("delete", "insert", "insert in the past", "edit"))
            if kind == "delete":
                self.changed.add(ids[index])
                self.server.remove(ids.pop(index))
            elif kind == "edit":
                self.changed.add(ids[index])
                self.server.update(ids[index], country=countries[self.random.choice(("CL", "PE"))])
            else:
                past = {} if kind == "insert" else {"created": model["created"] + timedelta(microseconds=1)}
                ids.append(self.server.add(name="New", country=model["country"], **past))
            self.writes += 1

    @contextmanager
    def running(self) -> Any:
        thread = threading.Thread(target=self.write)
        thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            thread.join()


async def crawl_reference(
    name: str, server: Any, crawl: Any = ours, *, seed: int, customers: int = 2_000
) -> CrawlReport:
    query = REFERENCE_QUERIES[name]
    server.clear()
    at_start = MockServer(customers, seed=seed).customers()
    server.load(at_start)
    writer = Writer(server, at_start, random.Random(seed))
    with writer.running():
        for _ in range(5):
            with suppress(IncompleteListError):  # permitted: one left unread, one came in the past, counts are the same
                delivered = await crawl(server, query)
                break
        else:
            raise AssertionError
    assert writer.writes > 10
    unchanged = matching_ids(at_start, query) - writer.changed
    descending = query.get("ordering") == "-created"
    return CrawlReport.compare(delivered, unchanged, len(server.requests), descending=descending)


class CrashingServer(MockServer):
    """A mock server that goes down after a number of requests."""

    def __init__(self, *args: Any, max_requests: int, **options: Any) -> None:
        super().__init__(*args, **options)
        self._max_requests = max_requests
        self._crashing = asyncio.Event()

    async def _handle(self, request: Any) -> Any:
        if len(self.requests) >= self._max_requests:
            self._crashing.set()
        return await super()._handle(request)

    async def crash(self) -> None:
        await self._crashing.wait()
        await self.stop()


async def crawl_with_crash(seed: int) -> tuple[list[str], list[str], int]:
    """Crawl a server that crashes at a random moment, and resume from the last checkpoint when it is up again.

    Returns:
        The ids delivered, the ids expected, and how many were delivered before the crash.
    """
    rng = random.Random(seed)
    query: dict[str, Any] = {
        "ordering": rng.choice(("created", "-created")),
        "country": rng.choice((None, "CL")),
        "page_size": rng.choice((10, 14, 20)),
    }
    data: dict[str, Any] = {"customers": 600, "seed": seed, "latency": (0, 0.002)}
    options = {"retry": RetryPolicy(attempts=1), "concurrency": rng.choice((2, 4, 8))}
    delivered: list[str] = []
    checkpoint: str | None = None

    async def read(piriod: PiriodSession) -> None:
        nonlocal checkpoint
        listing = piriod.customers(**query, after=Checkpoint.from_json(checkpoint) if checkpoint else None)
        async for customer in listing:
            delivered.append(customer.id)
            assert listing.checkpoint
            checkpoint = listing.checkpoint.to_json()

    async with CrashingServer(**data, max_requests=rng.randint(0, 8)) as server:
        crash = asyncio.create_task(server.crash())
        port = URL(server.url).port or 0
        async with server.session(**options) as piriod:
            with suppress(APIConnectionError):  # not raised if the crawl ends before the crash
                await read(piriod)
            await crash
        before_crash = len(delivered)
        expected = [row["id"] for row in server.customers() if query["country"] in (None, row["country"]["id"])]
    async with MockServer(**data, port=port) as restarted, restarted.session(**options) as piriod:
        await read(piriod)
    return delivered, expected if query["ordering"] == "created" else expected[::-1], before_crash
