"""Whatever goes wrong, wherever it does: every customer once, or the right error and nothing left behind."""

import asyncio
import gzip
import socket
import tracemalloc
from collections import Counter
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import msgspec
import pytest

import piriod_async
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

pytestmark = pytest.mark.usefixtures("no_leaks")

CUSTOMERS, PAGE_SIZE = 60, 10
REQUESTS = {None: 6, "created": 9}  # in peace; by `created`: the first, anchors 3, 5 and 7, four gaps, and the end
STALL = 0.75  # seconds until a stall is one: a sound answer takes far less, on a busy machine too

# name: the sandbox's fault, the error, its cause
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
PASSING = [fault for fault in FAULTS if fault != "refused"]
PLACES = [(None, 1), (None, 3), (None, 6), ("created", 1), ("created", 5), ("created", "gap")]
everywhere = pytest.mark.parametrize(("ordering", "place"), PLACES, ids=str)


class Server(MockServer):
    """A sandbox that can fail at one range too, and that comes and goes."""

    place = gap = None
    gone = False

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._moving = asyncio.Lock()

    def fail_at(self, place, fault, times):
        kwargs = dict(FAULTS[fault][0])
        if isinstance(kwargs.get("retry_after"), timedelta):
            kwargs["retry_after"] += datetime.now(UTC)
        self.place = place
        self.fail(**kwargs, times=times and times * knocks(fault), page=1 if place == "gap" else place)

    def _fault_for(self, request):
        if self.place == "gap":
            if "created__gte" not in request.params:
                return None
            self.gap = self.gap or request.query
            if request.query != self.gap:
                return None
        return super()._fault_for(request)

    async def go_and_return(self):
        async with self._moving:
            if not self._runner:
                await self.start()
            elif not self.gone:
                self.gone = True
                await self.stop()


def knocks(fault):
    """Return how often the sandbox sees an attempt: aiohttp repeats a GET of which no header came back."""
    return 2 if fault == "reset before the headers" else 1


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@asynccontextmanager
async def serving(clock, *, fault="", attempts=5, **options):
    """Serve customers to a session that is left open until all it used has come to rest."""
    async with Server(CUSTOMERS, port=free_port()) as sandbox:
        timeout = STALL if fault == "stalled" else 30
        async with sandbox.session(retry=clock.policy(attempts=attempts), timeout=timeout, **options) as piriod:
            yield sandbox, piriod
            assert_idle(piriod)
        if sandbox._runner:
            async with asyncio.timeout(5):
                while sandbox._runner.server.connections:  # noqa: ASYNC110 (only turns of the loop are wanted)
                    await asyncio.sleep(0)


PACKAGE = Path(piriod_async.__file__).parent


def assert_idle(piriod):
    files = [Path(task.get_coro().cr_code.co_filename) for task in asyncio.all_tasks()]
    assert not [file for file in files if file.is_relative_to(PACKAGE) and "testing" not in file.parts]
    assert piriod.stats.in_flight == 0
    assert not piriod._transport._binding.client.connector._acquired


async def crawl(listing):
    """Return the ids that came, and the error that ended it."""
    ids = []
    try:
        async for customer in listing:
            ids.append(customer.id)  # noqa: PERF401 (those before an error count too)
    except PiriodError as error:
        return ids, error
    return ids, None


def expected(sandbox, ordering):
    ids = [customer["id"] for customer in sandbox.customers()]
    return ids if ordering else ids[::-1]


@everywhere
@pytest.mark.parametrize("fault", PASSING)
async def test_a_fault_that_passes(clock, fault, ordering, place):
    async with serving(clock, fault=fault) as (sandbox, piriod):
        sandbox.fail_at(place, fault, times=1)
        listing = piriod.customers(ordering=ordering, page_size=PAGE_SIZE)
        assert await crawl(listing) == (expected(sandbox, ordering), None)
        assert not sandbox._faults
        assert len(sandbox.requests) == REQUESTS[ordering] + knocks(fault)
        assert (listing.progress.requests, listing.progress.retries) == (REQUESTS[ordering] + 1, 1)
        assert (piriod.stats.requests, piriod.stats.retries) == (REQUESTS[ordering] + 1, 1)


@everywhere
@pytest.mark.parametrize("fault", PASSING)
async def test_a_fault_that_stays(clock, fault, ordering, place):
    async with serving(clock, fault=fault, attempts=2) as (sandbox, piriod):
        sandbox.fail_at(place, fault, times=None)
        listing = piriod.customers(ordering=ordering, page_size=PAGE_SIZE)
        ids, error = await crawl(listing)
        assert_error(error, fault, attempts=2)
        assert ids == expected(sandbox, ordering)[: len(ids)]
        assert len(ids) < CUSTOMERS
        assert bool(ids) == (place != 1)
        asked = Counter(request.query for request in sandbox.requests)
        hit = sandbox.gap or next(query for query in asked if ("page", str(place)) in query)
        assert asked.pop(hit) == 2 * knocks(fault)
        assert set(asked.values()) <= {1}
        sandbox.heal()
        assert len(await listing.collect()) == CUSTOMERS


@pytest.mark.parametrize("ordering", REQUESTS)
async def test_refused_at_first(clock, ordering):
    """Nobody listens, then somebody does."""
    async with serving(clock) as (sandbox, piriod):
        await sandbox.stop()
        clock.on_nap = sandbox.go_and_return
        listing = piriod.customers(ordering=ordering, page_size=PAGE_SIZE)
        assert await crawl(listing) == (expected(sandbox, ordering), None)
        assert len(sandbox.requests) == REQUESTS[ordering]
        assert listing.progress.retries == len(clock.naps) == 1


@everywhere
async def test_refused_in_the_middle(clock, ordering, place):
    """A 503, and while that is waited for the server goes; when it is found gone it comes back."""
    async with serving(clock, attempts=20, concurrency=1) as (sandbox, piriod):
        sandbox.fail_at(place, "503", times=1)
        clock.on_nap = sandbox.go_and_return
        listing = piriod.customers(ordering=ordering, page_size=PAGE_SIZE)
        assert await crawl(listing) == (expected(sandbox, ordering), None)
        assert listing.progress.retries == len(clock.naps) >= 2
        assert listing.progress.requests == REQUESTS[ordering] + listing.progress.retries


@everywhere
async def test_refused_for_good(clock, ordering, place):
    async with serving(clock, attempts=3) as (sandbox, piriod):
        if place == 1:
            await sandbox.stop()
        else:
            sandbox.fail_at(place, "503", times=1)
            clock.on_nap = sandbox.stop
        listing = piriod.customers(ordering=ordering, page_size=PAGE_SIZE)
        ids, error = await crawl(listing)
        assert_error(error, "refused", attempts=3)
        assert ids == expected(sandbox, ordering)[: len(ids)]
        assert len(ids) < CUSTOMERS


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


REFUSALS = [
    (400, BadRequestError, b'{"created__gte":["Enter a valid date/time."]}', "created__gte: Enter a valid date/time."),
    (401, AuthenticationError, b'{"detail":"Invalid token."}', "Invalid token."),
    (403, PermissionDeniedError, b'{"detail":"No tiene permiso."}', "No tiene permiso."),
    (404, NotFoundError, b'{"detail":"Invalid page."}', "Invalid page."),
    (402, UnexpectedStatusError, b"", "402 Payment Required"),
    (204, UnexpectedStatusError, b"", "204 No Content"),
    (501, ServerError, b"<h1>Oops</h1>", "<h1>Oops</h1>"),
]


@pytest.mark.parametrize("ordering", REQUESTS)
@pytest.mark.parametrize(("status", "kind", "body", "message"), REFUSALS)
async def test_an_answer_that_will_not_change(clock, status, kind, body, message, ordering):
    async with serving(clock) as (sandbox, piriod):
        sandbox.fail(status=status, body=body, times=None)
        with pytest.raises(kind) as caught:
            await piriod.customers(ordering=ordering).collect()
        error = caught.value
        assert type(error) is kind
        assert (error.status, error.attempts, error.retryable, error.body) == (status, 1, False, body)
        assert message in str(error)
        assert len(sandbox.requests) == 1
        assert clock.naps == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("elsewhere", [False, True])
async def test_a_redirect_is_not_followed(clock, status, elsewhere):
    async with MockServer(CUSTOMERS) as other, serving(clock) as (sandbox, piriod):
        location = f"{other.url}/customers/" if elsewhere else "/customers/?page=1&page_size=100&ordering=created"
        sandbox.fail(status=status, headers={"Location": location})
        with pytest.raises(UnexpectedStatusError, match="was redirected to") as caught:
            await piriod.customers().collect()
        assert location in str(caught.value)
        assert (caught.value.status, caught.value.attempts) == (status, 1)
        assert len(sandbox.requests) == 1
        assert other.requests == []


@pytest.mark.parametrize("excess", [0, 1])
async def test_a_page_may_be_as_long_as_max_page_bytes(clock, excess):
    async with serving(clock) as (sandbox, piriod):
        (page,) = [page async for page in piriod.customers().pages()]
        size = len(page.raw) - excess
        async with sandbox.session(max_page_bytes=size, retry=clock.policy()) as strict:
            if not excess:
                assert len(await strict.customers().collect()) == CUSTOMERS
            else:
                with pytest.raises(DecodeError, match=f"longer than max_page_bytes={size}") as caught:
                    await strict.customers().collect()
                assert (caught.value.attempts, caught.value.retryable) == (1, False)
            assert_idle(strict)
        assert len(sandbox.requests) == 2


async def test_a_bomb_does_not_go_off(clock):
    """200 MB, sent as 0.2 MB, are inflated as far as `max_page_bytes` only."""
    bomb = gzip.compress(bytes(200_000_000), compresslevel=5)
    async with serving(clock, max_page_bytes=4_000_000) as (sandbox, piriod):
        sandbox.fail(body=bomb, headers={"Content-Encoding": "gzip"}, times=None)
        tracemalloc.start()
        try:
            with pytest.raises(DecodeError, match="max_page_bytes=4000000"):
                await piriod.customers().collect()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 10_000_000
        assert len(sandbox.requests) == 1


@asynccontextmanager
async def raw_server(answer):
    """Serve the same bytes to whoever asks, then hang up; or with None, never answer."""

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        if answer is None:
            await reader.read()
        else:
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    ("status", "kind", "attempts"), [("429 Slow", RateLimitError, 2), ("401 No", AuthenticationError, 1)]
)
@pytest.mark.parametrize("body", [b"{", b" " * 2_000])
async def test_the_status_counts_whatever_becomes_of_its_body(clock, status, kind, attempts, body):
    answer = f"HTTP/1.1 {status}\r\nRetry-After: 3\r\nContent-Length: 5000\r\n\r\n".encode() + body
    async with (
        raw_server(answer) as url,
        PiriodSession("token", "acc", base_url=url, max_page_bytes=1_000, retry=clock.policy(attempts=2)) as piriod,
    ):
        with pytest.raises(kind) as caught:
            await piriod.customers().collect()
    assert (caught.value.attempts, caught.value.retry_after) == (attempts, 3)
    assert sum(clock.naps) >= 3 * (attempts - 1)


async def test_max_elapsed_cuts_an_attempt_short():
    policy = RetryPolicy(max_elapsed=STALL)
    async with raw_server(None) as url, PiriodSession("token", "acc", base_url=url, retry=policy) as piriod:
        with pytest.raises(APITimeoutError, match=r"no answer within max_elapsed=0\.75 s") as caught:
            await piriod.customers().collect()
        assert caught.value.attempts == 1
        assert_idle(piriod)
