"""Faults of the server and the network: every customer once, or the right error and nothing left behind."""

import asyncio
import gzip
import itertools
import tracemalloc
from collections import Counter
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import aiohttp
import msgspec
import pytest

from piriod_async import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    DecodeError,
    NotFoundError,
    PermissionDeniedError,
    PiriodError,
    PiriodSession,
    RateLimitError,
    RetryPolicy,
    ServerError,
    UnexpectedStatusError,
)
from piriod_async.testing.mock_server import MockServer
from tests.support.ports import free_port
from tests.support.tasks import assert_idle, until

pytestmark = pytest.mark.usefixtures("no_leaks")

CUSTOMERS, PAGE_SIZE = 60, 10
REQUESTS = {
    None: 7,
    "created": 9,
}  # without faults; by created: page 1, anchors 3, 5, 7 and the end, and the four gaps between them
STALL = 0.75  # the timeout for a server that stalls, in seconds: far longer than a response takes on a busy machine

# name: the mock server's fault, the error, its cause
FAULTS = {
    "refused": (None, APIConnectionError, aiohttp.ClientConnectorError),
    "reset before the headers": ({"disconnect": "headers"}, APIConnectionError, aiohttp.ClientError),
    "reset in the body": ({"disconnect": "body"}, APIConnectionError, aiohttp.ClientError),
    "short, against its length": ({"truncate": "length"}, APIConnectionError, aiohttp.ClientPayloadError),
    "short, and so is its length": ({"truncate": "json"}, DecodeError, msgspec.DecodeError),
    "stalled": ({"stall": True}, APITimeoutError, TimeoutError),
    "HTML": ({"garbage": "html"}, DecodeError, msgspec.DecodeError),
    "broken JSON": ({"garbage": "json"}, DecodeError, msgspec.DecodeError),
    "empty, against its count": ({"body": b'{"count":60,"results":[]}'}, DecodeError, None),
    "408": ({"status": 408}, UnexpectedStatusError, None),
    "429, seconds": ({"status": 429, "retry_after": 30}, RateLimitError, None),
    "429, a date": ({"status": 429, "retry_after": timedelta(seconds=30)}, RateLimitError, None),
    "429": ({"status": 429}, RateLimitError, None),
    "500, HTML": ({"status": 500, "html": True}, ServerError, None),
    "502": ({"status": 502}, ServerError, None),
    "503": ({"status": 503}, ServerError, None),
    "503, seconds": ({"status": 503, "retry_after": 30}, ServerError, None),
    "504": ({"status": 504}, ServerError, None),
}
SERVER_FAULTS = [fault for fault in FAULTS if fault != "refused"]
PAGES = {None: [1, 3, 6], "created": [1, 5, "gap"]}  # where a fault occurs: first, in the middle, late
every_page = pytest.mark.parametrize(
    ("ordering", "page"), [(ordering, page) for ordering in PAGES for page in PAGES[ordering]], ids=str
)


def pairwise():
    """Return (fault, ordering, page, does it pass), so that every pair of these values occurs."""
    cases = []
    for number, fault in enumerate(SERVER_FAULTS):
        for shift, (ordering, passes) in enumerate(itertools.product(PAGES, (True, False))):
            cases.append((fault, ordering, PAGES[ordering][(number + shift) % 3], passes))
    return cases


class FaultyServer(MockServer):
    """A mock server that can also fail for one gap only, and that can stop and start again."""

    fault_page = gap_query = None
    stopped = False

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._moving = asyncio.Lock()

    def fail_at(self, page, fault, times):
        kwargs = dict(FAULTS[fault][0])
        if isinstance(kwargs.get("retry_after"), timedelta):
            kwargs["retry_after"] += datetime.now(UTC)
        self.fault_page = page
        self.fail(**kwargs, times=times, page=1 if page == "gap" else page)

    def _take_fault(self, request):
        if self.fault_page == "gap":
            if "created__gte" not in request.params:
                return None
            self.gap_query = self.gap_query or request.query
            if request.query != self.gap_query:
                return None
        return super()._take_fault(request)

    async def stop_then_start(self):
        async with self._moving:
            if not self._runner:
                await self.start()
            elif not self.stopped:
                self.stopped = True
                await self.stop()


@asynccontextmanager
async def serve(clock, *, fault="", attempts=5, **options):
    """Yield a server and a session, which must be idle at the end."""
    async with FaultyServer(CUSTOMERS, port=free_port()) as server:
        timeout = STALL if fault == "stalled" else 30
        async with server.session(retry=clock.policy(attempts=attempts), timeout=timeout, **options) as piriod:
            yield server, piriod
            assert_idle(piriod)
        if server._runner:
            async with asyncio.timeout(5):
                await until(lambda: not server._runner.server.connections)


async def read(listing):
    """Return the ids delivered, and the error that ended the listing."""
    ids = []
    try:
        async for customer in listing:
            ids.append(customer.id)  # noqa: PERF401 (those before an error count too)
    except PiriodError as error:
        return ids, error
    return ids, None


def expected_ids(server, ordering):
    ids = [customer["id"] for customer in server.customers()]
    return ids if ordering else ids[::-1]


def assert_error(error, fault, attempts):
    _, kind, cause = FAULTS[fault]
    assert type(error) is kind, error
    assert error.attempts == attempts
    assert f"(after {attempts} attempts)" in str(error)
    assert error.retryable
    assert isinstance(error.__cause__, cause) if cause else error.__cause__ is None
    if isinstance(error, APIStatusError):
        assert error.status == int(fault[:3])
        assert error.request_id.startswith("req_")
        assert error.retry_after == (pytest.approx(30, abs=2) if "," in fault and "HTML" not in fault else None)


def test_pairwise():
    """The fault matrix has every pair of fault and page, ordering and outcome, and every triple without the fault."""
    cases = [(fault, PAGES[ordering].index(page), ordering, passes) for fault, ordering, page, passes in pairwise()]
    values = [SERVER_FAULTS, range(3), list(PAGES), (True, False)]
    for one, other in itertools.combinations(range(4), 2):
        assert {(case[one], case[other]) for case in cases} == set(itertools.product(values[one], values[other]))
    assert {case[1:] for case in cases} == set(itertools.product(*values[1:]))


@pytest.mark.parametrize(("fault", "ordering", "page"), [case[:3] for case in pairwise() if case[3]], ids=str)
async def test_temporary_fault(clock, fault, ordering, page):
    """A fault that passes costs one retry, and every customer is delivered once, in order."""
    async with serve(clock, fault=fault) as (server, piriod):
        server.fail_at(page, fault, times=1)
        listing = piriod.customers(ordering=ordering, page_size=PAGE_SIZE)
        assert await read(listing) == (expected_ids(server, ordering), None)
        assert not server._faults
        assert len(server.requests) == REQUESTS[ordering] + 1
        assert (listing.progress.requests, listing.progress.retries) == (REQUESTS[ordering] + 1, 1)
        assert (piriod.stats.requests, piriod.stats.retries) == (REQUESTS[ordering] + 1, 1)


@pytest.mark.parametrize(("fault", "ordering", "page"), [case[:3] for case in pairwise() if not case[3]], ids=str)
async def test_permanent_fault(clock, fault, ordering, page):
    """A fault that stays ends the listing with its error, after the customers before it."""
    async with serve(clock, fault=fault, attempts=2) as (server, piriod):
        server.fail_at(page, fault, times=None)
        listing = piriod.customers(ordering=ordering, page_size=PAGE_SIZE)
        ids, error = await read(listing)
        assert_error(error, fault, attempts=2)
        assert ids == expected_ids(server, ordering)[: len(ids)]
        assert len(ids) < CUSTOMERS
        assert bool(ids) == (page != 1)
        queries = Counter(request.query for request in server.requests)
        failed = server.gap_query or next(query for query in queries if ("page", str(page)) in query)
        assert queries.pop(failed) == 2
        assert set(queries.values()) <= {1}
        server.clear_faults()
        assert len(await listing.collect()) == CUSTOMERS


@pytest.mark.parametrize("ordering", REQUESTS)
async def test_server_starts_late(clock, ordering):
    """The first request is refused, and its retry succeeds."""
    async with serve(clock) as (server, piriod):
        await server.stop()
        clock.on_sleep = server.stop_then_start
        listing = piriod.customers(ordering=ordering, page_size=PAGE_SIZE)
        assert await read(listing) == (expected_ids(server, ordering), None)
        assert len(server.requests) == REQUESTS[ordering]
        assert listing.progress.retries == len(clock.sleeps) == 1


@every_page
async def test_server_restarts(clock, ordering, page):
    """The server stops after a 503, and starts again once a retry was refused."""
    async with serve(clock, attempts=20, concurrency=1) as (server, piriod):
        server.fail_at(page, "503", times=1)
        clock.on_sleep = server.stop_then_start
        listing = piriod.customers(ordering=ordering, page_size=PAGE_SIZE)
        assert await read(listing) == (expected_ids(server, ordering), None)
        assert listing.progress.retries == len(clock.sleeps) >= 2
        assert listing.progress.requests == REQUESTS[ordering] + listing.progress.retries


@every_page
async def test_server_stops(clock, ordering, page):
    """The server stops for good: the listing ends with the error of a refused connection."""
    async with serve(clock, attempts=3) as (server, piriod):
        if page == 1:
            await server.stop()
        else:
            server.fail_at(page, "503", times=1)
            clock.on_sleep = server.stop
        listing = piriod.customers(ordering=ordering, page_size=PAGE_SIZE)
        ids, error = await read(listing)
        assert_error(error, "refused", attempts=3)
        assert ids == expected_ids(server, ordering)[: len(ids)]
        assert len(ids) < CUSTOMERS


FINAL_ERRORS = [
    (400, BadRequestError, b'{"created__gte":["Enter a valid date/time."]}', "created__gte: Enter a valid date/time."),
    (401, AuthenticationError, b'{"detail":"Invalid token."}', "Invalid token."),
    (403, PermissionDeniedError, b'{"detail":"No tiene permiso."}', "No tiene permiso."),
    (404, NotFoundError, b'{"detail":"Invalid page."}', "Invalid page."),
    (402, UnexpectedStatusError, b"", "402 Payment Required"),
    (204, UnexpectedStatusError, b"", "204 No Content"),
    (501, ServerError, b"<h1>Oops</h1>", "<h1>Oops</h1>"),
]


@pytest.mark.parametrize("ordering", REQUESTS)
@pytest.mark.parametrize(("status", "kind", "body", "message"), FINAL_ERRORS)
async def test_final_error(clock, status, kind, body, message, ordering):
    """A status that a retry would not change is raised at once, with what the body says."""
    async with serve(clock) as (server, piriod):
        server.fail(status=status, body=body, times=None)
        with pytest.raises(kind) as caught:
            await piriod.customers(ordering=ordering).collect()
        error = caught.value
        assert type(error) is kind
        assert (error.status, error.attempts, error.retryable, error.body) == (status, 1, False, body)
        assert message in str(error)
        assert len(server.requests) == 1
        assert clock.sleeps == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("other_host", [False, True])
async def test_redirect(clock, status, other_host):
    """A redirect is an error that names its target, and is not followed: that would send the token there."""
    async with MockServer(CUSTOMERS) as other, serve(clock) as (server, piriod):
        location = f"{other.url}/customers/" if other_host else "/customers/?page=1&page_size=100&ordering=created"
        server.fail(status=status, headers={"Location": location})
        with pytest.raises(UnexpectedStatusError, match="was redirected to") as caught:
            await piriod.customers().collect()
        assert location in str(caught.value)
        assert (caught.value.status, caught.value.attempts) == (status, 1)
        assert len(server.requests) == 1
        assert other.requests == []


@pytest.mark.parametrize("excess", [0, 1])
async def test_max_page_bytes(clock, excess):
    """A body of exactly `max_page_bytes` is accepted, and one byte more is a final error."""
    async with serve(clock) as (server, piriod):
        (page,) = [page async for page in piriod.customers().pages()]
        size = len(page.raw) - excess
        async with server.session(max_page_bytes=size, retry=clock.policy()) as limited:
            if not excess:
                assert len(await limited.customers().collect()) == CUSTOMERS
            else:
                with pytest.raises(DecodeError, match=f"longer than max_page_bytes={size}") as caught:
                    await limited.customers().collect()
                assert (caught.value.attempts, caught.value.retryable) == (1, False)
            assert_idle(limited)
        assert len(server.requests) == 2


async def test_decompression_bomb(clock):
    """Of a body of 0.2 MB that expands to 200 MB, no more than `max_page_bytes` is decompressed."""
    bomb = gzip.compress(bytes(200_000_000), compresslevel=5)
    async with serve(clock, max_page_bytes=4_000_000) as (server, piriod):
        server.fail(body=bomb, headers={"Content-Encoding": "gzip"}, times=None)
        tracemalloc.start()
        try:
            with pytest.raises(DecodeError, match="max_page_bytes=4000000"):
                await piriod.customers().collect()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 10_000_000
        assert len(server.requests) == 1


@asynccontextmanager
async def raw_server(response):
    """Send these bytes to every request, then close the connection; if None, never respond."""

    async def connected(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        if response is None:
            await reader.read()
        else:
            writer.write(response)
        writer.close()

    async with await asyncio.start_server(connected, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    ("status", "kind", "attempts"), [("429 Slow", RateLimitError, 2), ("401 No", AuthenticationError, 1)]
)
@pytest.mark.parametrize("body", [b"{", b" " * 2_000], ids=["truncated", "too long"])
async def test_error_with_broken_body(clock, status, kind, attempts, body):
    """Of an error response, the status counts, even if its body is truncated or too long."""
    response = f"HTTP/1.1 {status}\r\nRetry-After: 3\r\nContent-Length: 5000\r\n\r\n".encode() + body
    async with (
        raw_server(response) as url,
        PiriodSession("token", "acc", base_url=url, max_page_bytes=1_000, retry=clock.policy(attempts=2)) as piriod,
    ):
        with pytest.raises(kind) as caught:
            await piriod.customers().collect()
    assert (caught.value.attempts, caught.value.retry_after) == (attempts, 3)
    assert sum(clock.sleeps) >= 3 * (attempts - 1)


async def test_max_elapsed():
    """`max_elapsed` ends an attempt that waits for the server."""
    policy = RetryPolicy(max_elapsed=STALL)
    async with raw_server(None) as url, PiriodSession("token", "acc", base_url=url, retry=policy) as piriod:
        with pytest.raises(APITimeoutError, match=r"no response within max_elapsed=0\.75 s") as caught:
            await piriod.customers().collect()
        assert caught.value.attempts == 1
        assert_idle(piriod)
