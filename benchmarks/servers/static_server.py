"""A server that costs next to nothing: customers prepared as bytes, over a bare `asyncio.Protocol`.

    python -m benchmarks.servers.static_server 200000
    python -m benchmarks.servers.static_server 200000 50     # requests per second for each token

The workspace's id says what is served: `acc_20000` has 20,000 customers, `acc_20000_20_200` answers each request after
20 to 200 ms, as do `acc_20000_20_200_1` and any other number. Pages, counts and ranges of `created` are computed as the
real API does. `/counters` returns the request counters, resets them, and starts the sequence of delays anew; `/change`
changes one customer in a hundred.
"""

import asyncio
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from math import ceil
from random import Random
from urllib.parse import parse_qs, urlencode

import msgspec
from attrs import define, field

from piriod_async.testing.mock_server.customer_fields import check_fields
from piriod_async.testing.mock_server.factory import CustomerFactory, spaced_timestamps
from piriod_async.testing.mock_server.rate_limit import RateLimit
from piriod_async.testing.mock_server.response import APIException

DISTINCT = 2_000  # generated customers; the rest repeat them with an id and `created` of their own
FIRST_DAY = datetime(2016, 1, 1, tzinfo=UTC)
INTERVAL = timedelta(seconds=61, microseconds=3)
CREATED_PLACEHOLDER = "2099-12-31T23:59:59.999999Z"


@define(repr=False)
class PreparedCustomers:
    """Customers as JSON, ordered by `created`."""

    created: Sequence[datetime]
    records: list[bytes]

    @classmethod
    def generate(cls, size: int) -> "PreparedCustomers":
        random = Random(7)
        factory = CustomerFactory(random, test_mode=False)
        templates = []
        for moment in spaced_timestamps(min(size, DISTINCT), random):
            customer = factory.make(moment)
            customer.set(check_fields({"created": CREATED_PLACEHOLDER}, "template"))
            template = customer.to_json("microseconds").replace(b"%", b"%%")
            templates.append(template.replace(customer.id.encode(), b"cus_%020d"))
        created = [
            FIRST_DAY + INTERVAL * index + timedelta(microseconds=index * 7_919 % 999 + 1) for index in range(size)
        ]
        records = [_fill(templates[index % DISTINCT], index, moment) for index, moment in enumerate(created)]
        return cls(created, records)

    def change(self) -> None:
        """Change one customer in a hundred."""
        for index in range(0, len(self.records), 100):
            self.records[index] = self.records[index].replace(b'"email":"', b'"email":"x', 1)

    def respond(self, target: str, host: str, size: int) -> tuple[int, bytes]:
        """Status and body for a request target, if the list is the first `size` customers."""
        query = {name: values[-1] for name, values in parse_qs(target.partition("?")[2]).items()}
        gte, lte = query.get("created__gte"), query.get("created__lte")
        start = bisect_left(self.created, datetime.fromisoformat(gte), hi=size) if gte else 0
        stop = bisect_right(self.created, datetime.fromisoformat(lte), hi=size) if lte else size
        count = max(stop - start, 0)
        page_size, page = min(int(query.get("page_size", 20)), 100), int(query.get("page", 1))
        if not 1 <= page <= max(ceil(count / page_size), 1):
            return 404, b'{"detail":"Invalid page."}'
        direction = -1 if query.get("ordering") == "-created" else 1
        indices = range(start, stop)[::direction][(page - 1) * page_size :][:page_size]
        next_query = urlencode(query | {"page": page + 1})
        next_url = "null" if page * page_size >= count else f'"http://{host}/customers/?{next_query}"'
        results = b",".join([self.records[index] for index in indices])
        return 200, b'{"count":%d,"next":%b,"previous":null,"results":[%b]}' % (count, next_url.encode(), results)


def _fill(template: bytes, index: int, created: datetime) -> bytes:
    text = template % ((index,) * template.count(b"%020d"))
    return text.replace(CREATED_PLACEHOLDER.encode(), created.isoformat().replace("+00:00", "Z").encode())


@define
class RequestCounters:
    """Requests, bytes sent in bodies, and seconds that responses were delayed."""

    requests: int = 0
    bytes: int = 0
    delay: float = 0.0


@define
class StaticServer:
    """Answers requests from prepared customers, and counts them."""

    customers: PreparedCustomers
    counters: RequestCounters = field(factory=RequestCounters)
    random: Random = field(factory=lambda: Random(7))
    make_limit: Callable[[], RateLimit] | None = None
    limits: dict[str, RateLimit] = field(factory=dict)

    def respond(self, target: str, headers: Mapping[str, str]) -> tuple[float, bytes]:
        """Seconds to wait, then what to write."""
        if target == "/counters":
            counters = msgspec.json.encode(self.counters)
            self.counters, self.random = RequestCounters(), Random(7)
            return 0.0, _response(200, counters)
        if target == "/change":
            self.customers.change()
            return 0.0, _response(200, b"{}")
        size, *latency = map(int, headers["x-simple-workspace"].removeprefix("acc_").split("_")[:3])
        if self.make_limit:
            limit = self.limits.setdefault(headers["authorization"], self.make_limit())
            try:
                limit.check_rate()
            except APIException as error:
                return 0.0, _response(429, b"{}", error.response.headers["Retry-After"])
        status, body = self.customers.respond(target, headers["host"], size)
        delay = self.random.uniform(*latency) / 1000 if latency else 0.0
        self.counters.requests += 1
        self.counters.bytes += len(body)
        self.counters.delay += delay
        return delay, _response(status, body)


def _response(status: int, body: bytes, retry_after: str | None = None) -> bytes:
    head = b"HTTP/1.1 %d OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n" % (status, len(body))
    wait = f"Retry-After: {retry_after}\r\n" if retry_after else ""
    return head + wait.encode() + b"\r\n" + body


@define(eq=False)
class Connection(asyncio.Protocol):
    """One keep-alive connection: GET requests, one after the other."""

    server: StaticServer
    buffer: bytes = b""
    transport: asyncio.Transport = field(init=False)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        head, end, rest = (self.buffer + data).partition(b"\r\n\r\n")
        if not end:
            self.buffer = head
            return
        self.buffer = rest
        request_line, *lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        delay, response = self.server.respond(request_line.split(" ")[1], headers)
        if delay:
            asyncio.get_running_loop().call_later(delay, self.transport.write, response)
        else:
            self.transport.write(response)


async def main(size: int, limit: float | None = None) -> None:
    """Serve until standard input ends."""
    server = StaticServer(PreparedCustomers.generate(size))
    if limit:
        server.make_limit = partial(RateLimit, limit)
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(lambda: Connection(server), "127.0.0.1", 0)
    host, port = listener.sockets[0].getsockname()
    print(f"http://{host}:{port}", flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
