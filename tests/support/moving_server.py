"""Servers that move while they are read, or die; crawls of them, ours and a plain one; and what those got wrong."""

import asyncio
import math
import random
import threading
from collections import Counter
from collections.abc import Iterable
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

from aiohttp import ClientSession
from attrs import define, field, frozen

from piriod_async import APIConnectionError, Checkpoint, PiriodSession, RetryPolicy
from piriod_async.testing.mock_server import MockServer, Mutations

CHILE_AND_PERU = ("CL", "PE")
HEAVY = Mutations(rate=8, race=0.5)
# name: how the mock server is, what is asked of it
MOCK_SERVERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "sandbox": ({"mutations": HEAVY}, {}),
    "sandbox, -created": ({"mutations": HEAVY}, {"ordering": "-created"}),
    "sandbox, country=CL": ({"mutations": HEAVY}, {"country": "CL"}),
    "sandbox, stamps to the second": ({"mutations": HEAVY, "timestamp_precision": "seconds"}, {}),
    "sandbox, some ties, shuffled": ({"mutations": Mutations(rate=8), "tie_order": "shuffled"}, {}),
}
REFERENCE_QUERIES: dict[str, dict[str, Any]] = {
    "framework": {},
    "framework, -created": {"ordering": "-created"},
    "framework, country=CL": {"country": "CL"},
}


@frozen
class CrawlReport:
    """What a crawl came to.

    Attributes:
        missed: Customers that matched throughout and did not come.
        repeated: Customers that came again.
        run_ordered: Whether they came by `created`.
        customers: How many came.
        requests: How many it took.
    """

    missed: int
    repeated: int
    run_ordered: bool
    customers: int
    requests: int

    @classmethod
    def on(
        cls, came: list[tuple[str, Any]], stayed: Iterable[str], requests: int, *, descending: bool
    ) -> "CrawlReport":
        ids = Counter(id_ for id_, _ in came)
        instants = [created for _, created in came]
        return cls(
            missed=len(set(stayed) - ids.keys()),
            repeated=ids.total() - len(ids),
            run_ordered=instants == sorted(instants, reverse=descending),
            customers=len(came),
            requests=requests,
        )

    @property
    def is_correct(self) -> bool:
        return not self.missed and not self.repeated and self.run_ordered


async def ours(server: Any, query: dict[str, Any]) -> list[tuple[str, Any]]:
    async with PiriodSession(server.token, server.workspace, base_url=server.url) as piriod:
        return [(customer.id, customer.created) async for customer in piriod.customers(**query)]


async def plain(server: Any, query: dict[str, Any], *, concurrency: int = 8) -> list[tuple[str, Any]]:
    """What people write: page 1 for the count, then the others side by side."""
    headers = {"Authorization": f"Token {server.token}", "x-simple-workspace": server.workspace}
    slots = asyncio.Semaphore(concurrency)

    async def page(number: int) -> tuple[int, list[dict[str, Any]]]:
        params = {"ordering": "created", "page_size": 100, **query, "page": number}
        async with slots, http.get(f"{server.url}/customers/", params=params) as response:
            if response.status == 404:
                return 0, []
            answer = await response.json()
            return answer["count"], answer["results"]

    async with ClientSession(headers=headers) as http:
        count, first = await page(1)
        rest = await asyncio.gather(*map(page, range(2, math.ceil(count / 100) + 1)))
    return [(customer["id"], customer["created"]) for rows in (first, *(rows for _, rows in rest)) for customer in rows]


def matching(customers: Iterable[dict[str, Any]], query: dict[str, Any]) -> set[str]:
    country = query.get("country")
    return {customer["id"] for customer in customers if country in (None, (customer["country"] or {}).get("id"))}


async def crawl_mock_server(name: str, crawl: Any = ours, *, seed: int, customers: int = 2_000) -> CrawlReport:
    options, query = MOCK_SERVERS[name]
    async with MockServer(customers, seed=seed, **options) as server:
        if options.get("ties"):
            for customer in server.customers()[::20]:
                server.add(created=customer["created"])
            server.changes.clear()
        start = matching(server.customers(), query)
        came = await crawl(server, query)
        stayed = start.intersection(server.unchanged_ids())
        assert server.changes
        return CrawlReport.on(came, stayed, len(server.requests), descending=query.get("ordering") == "-created")


@define
class Writer:
    """A thread that deletes, inserts and edits customers of the reference as fast as it can."""

    reference: Any
    rows: list[dict[str, Any]]
    random: random.Random
    touched: set[str] = field(factory=set)
    moves: int = 0
    _stopped: threading.Event = field(factory=threading.Event)

    def run(self) -> None:
        ids = [row["id"] for row in self.rows]
        countries = {row["country"]["id"]: row["country"] for row in self.rows}
        while not self._stopped.is_set():
            index = self.random.randrange(len(ids))
            row = self.rows[self.random.randrange(len(self.rows))]
            kind = self.random.choice(("delete", "insert", "insert long ago", "edit"))
            if kind == "delete":
                self.touched.add(ids[index])
                self.reference.remove(ids.pop(index))
            elif kind == "edit":
                self.touched.add(ids[index])
                self.reference.update(ids[index], country=countries[self.random.choice(CHILE_AND_PERU)])
            else:
                long_ago = {"created": row["created"] + timedelta(microseconds=1)} if kind != "insert" else {}
                ids.append(self.reference.add(name="New", country=row["country"], **long_ago))
            self.moves += 1

    @contextmanager
    def moving(self) -> Any:
        thread = threading.Thread(target=self.run)
        thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            thread.join()


async def crawl_reference(
    name: str, reference: Any, crawl: Any = ours, *, seed: int, customers: int = 2_000
) -> CrawlReport:
    query = REFERENCE_QUERIES[name]
    reference.clear()
    rows = MockServer(customers, seed=seed).customers()
    reference.load(rows)
    mover = Writer(reference, rows, random.Random(seed))
    with mover.moving():
        came = await crawl(reference, query)
    assert mover.moves > 10
    stayed = matching(rows, query) - mover.touched
    return CrawlReport.on(came, stayed, len(reference.requests), descending=query.get("ordering") == "-created")


class CrashingServer(MockServer):
    """A mock server that stops after so many requests."""

    def __init__(self, *args: Any, lives: float = math.inf, **options: Any) -> None:
        super().__init__(*args, **options)
        self._lives = lives
        self._dying = asyncio.Event()

    async def _handle(self, request: Any) -> Any:
        if len(self.requests) >= self._lives:
            self._dying.set()
        return await super()._handle(request)

    async def die(self) -> None:
        await self._dying.wait()
        await self.stop()


async def crawl_with_crash(seed: int) -> tuple[list[str], list[str], int]:
    """Crawl a server that is killed at some moment, and go on from the last checkpoint when it is up again.

    Returns:
        The ids that came, those that should have, and how many came before.
    """
    chance = random.Random(seed)
    query = {
        "ordering": chance.choice(("created", "-created")),
        "country": chance.choice((None, "CL")),
        "page_size": chance.choice((10, 14, 20)),
    }
    data = {"customers": 600, "seed": seed, "latency": (0, 0.002)}
    options = {"retry": RetryPolicy(attempts=1), "concurrency": chance.choice((2, 4, 8))}
    came, kept = [], None

    async def read(piriod: PiriodSession) -> None:
        nonlocal kept
        listing = piriod.customers(**query, after=kept and Checkpoint.from_json(kept))
        async for customer in listing:
            came.append(customer.id)
            kept = listing.checkpoint.to_json()

    async with CrashingServer(**data, lives=chance.randint(0, 8)) as server:
        dying = asyncio.create_task(server.die())
        async with server.session(**options) as piriod:
            with suppress(APIConnectionError):  # it may be through before the server is all dead
                await read(piriod)
            await dying
        before = len(came)
        expected = [row["id"] for row in server.customers() if query["country"] in (None, row["country"]["id"])]
    async with MockServer(**data) as server, server.session(**options) as piriod:
        await read(piriod)
    return came, expected if query["ordering"] == "created" else expected[::-1], before
