"""A server that costs next to nothing: customers prepared as bytes, over a bare `asyncio.Protocol`.

The workspace says what is served: `acc_20000` has 20,000 customers, `acc_20000_20_200` answers each request after 20 to
200 ms. Pages, counts and ranges of `created` are computed as the framework would. `/tally` says what was asked since it
was asked last, and begins the delays anew.

    python -m benchmarks.server 200000
"""

import asyncio
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from math import ceil
from random import Random
from urllib.parse import parse_qs, urlencode

import msgspec
from attrs import define, field

from piriod_async.testing.mock_server.factory import CustomerFactory, spaced_timestamps

KINDS = 2_000  # customers made up; the others are these again, with an id and a `created` of their own
FIRST_DAY = datetime(2016, 1, 1, tzinfo=UTC)
APART = timedelta(seconds=61, microseconds=3)
PLACE = "2099-12-31T23:59:59.999999Z"


@define
class RequestCounters:
    """What was asked: requests, bytes answered, seconds that answers were held back."""

    requests: int = 0
    bytes: int = 0
    delay: float = 0.0


@define(repr=False)
class Customers:
    """So many customers, as bytes, in the order of `created`."""

    created: Sequence[datetime]
    rows: Sequence[bytes]

    @classmethod
    def make(cls, size: int) -> "Customers":
        random = Random(7)
        factory = CustomerFactory(random, test_mode=False)
        kinds = []
        for moment in spaced_timestamps(min(size, KINDS), random):
            row = factory.make(moment)
            row.set({"created": datetime.fromisoformat(PLACE)})
            text = row.to_json("microseconds")
            kinds.append(text.replace(row.id.encode(), b"cus_%020d").replace(b"%", b"%%").replace(b"%%020d", b"%020d"))
        created = [FIRST_DAY + APART * index + timedelta(microseconds=index * 7_919 % 999 + 1) for index in range(size)]
        rows = [_row(kinds[index % len(kinds)], index, moment) for index, moment in enumerate(created)]
        return cls(created, rows)

    def answer(self, target: str, host: str, size: int) -> tuple[int, bytes]:
        """The status and the body for a path with its query, of the first `size` customers."""
        query = {name: values[-1] for name, values in parse_qs(target.partition("?")[2]).items()}
        low, high = query.get("created__gte"), query.get("created__lte")
        start = bisect_left(self.created, datetime.fromisoformat(low), hi=size) if low else 0
        stop = bisect_right(self.created, datetime.fromisoformat(high), hi=size) if high else size
        count = max(stop - start, 0)
        length, number = min(int(query.get("page_size", 20)), 100), int(query.get("page", 1))
        if not 1 <= number <= max(ceil(count / length), 1):
            return 404, b'{"detail":"Invalid page."}'
        first = start + (number - 1) * length
        onwards = urlencode(query | {"page": number + 1})
        more = "null" if number * length >= count else f'"http://{host}/customers/?{onwards}"'
        rows = b",".join(self.rows[first : min(first + length, stop)])
        return 200, b'{"count":%d,"next":%b,"previous":null,"results":[%b]}' % (count, more.encode(), rows)


def _row(kind: bytes, index: int, created: datetime) -> bytes:
    text = kind % ((index,) * kind.count(b"%020d"))
    return text.replace(PLACE.encode(), created.isoformat().replace("+00:00", "Z").encode())


@define
class Server:
    customers: Customers
    tally: RequestCounters = field(factory=RequestCounters)
    random: Random = field(factory=lambda: Random(7))

    def answer(self, target: str, headers: Mapping[str, str]) -> tuple[float, bytes]:
        """Seconds to wait, and what to write then."""
        if target == "/tally":
            told = msgspec.json.encode(self.tally)
            self.tally, self.random = RequestCounters(), Random(7)
            return 0.0, _response(200, told)
        size, *delay = map(int, headers["x-simple-workspace"].removeprefix("acc_").split("_"))
        status, body = self.customers.answer(target, headers["host"], size)
        seconds = self.random.uniform(*delay) / 1000 if delay else 0.0
        self.tally.requests += 1
        self.tally.bytes += len(body)
        self.tally.delay += seconds
        return seconds, _response(status, body)


def _response(status: int, body: bytes) -> bytes:
    head = b"HTTP/1.1 %d OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % (status, len(body)) + body


@define(eq=False)
class Connection(asyncio.Protocol):
    """One client: GETs with keep-alive, one after the other."""

    server: Server
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
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        seconds, response = self.server.answer(first.split(" ")[1], headers)
        if seconds:
            asyncio.get_running_loop().call_later(seconds, self.transport.write, response)
        else:
            self.transport.write(response)


async def main(size: int) -> None:
    """Serve until standard input ends."""
    server = Server(Customers.make(size))
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(lambda: Connection(server), "127.0.0.1", 0)
    host, port = listening.sockets[0].getsockname()
    print(f"http://{host}:{port}", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
