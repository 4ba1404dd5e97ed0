"""A `Retry-After` beyond `max_retry_after` holds for every request of a session, wherever it waits."""

import asyncio
import copyreg
import pickle

import pytest
from tblib import pickling_support

from piriod_async import APIConnectionError, APIStatusError, RateLimitError, ServerError
from piriod_async.testing import no_backoff
from piriod_async.transport.attempts import RequestInfo
from piriod_async.transport.circuit_breaker import CircuitBreaker
from piriod_async.transport.limiter import RequestLimiter
from piriod_async.transport.retry import Retrier
from piriod_async.transport.retry_budget import RetryBudget
from tests.support.clock import ManualSleep
from tests.support.errors import status_error
from tests.support.tasks import settle

pytestmark = pytest.mark.usefixtures("no_leaks")

RESET = APIConnectionError("reset by peer", retryable=True)


class Server:
    """Responds when a test says so.

    Attributes:
        sent: Workspaces of the requests sent, in order.
        tasks: All requests, by workspace.
        reported: Attempts that `on_attempt` received.
    """

    def __init__(self, clock, concurrency=1):
        self.sleep = ManualSleep(clock)
        self.sent, self.tasks, self.reported, self._responses = [], {}, [], {}
        limiter = RequestLimiter(concurrency, self.sleep)
        self.retrier = Retrier(clock.policy(sleep=self.sleep), limiter, RetryBudget(), self.reported.append)

    async def start(self, *workspaces):
        for workspace in workspaces:
            self.tasks[workspace] = asyncio.create_task(self._call(workspace))
        await settle()

    async def respond(self, workspace, error=None):
        self._responses[workspace].set_result(error)
        await settle()

    async def _call(self, workspace):
        async def send(_):
            self.sent.append(workspace)
            self._responses[workspace] = asyncio.get_running_loop().create_future()
            if error := await self._responses[workspace]:
                raise error
            return b"body"

        async def decode(body):
            return body

        request = RequestInfo(page=1, workspace=workspace)
        return await self.retrier.call(send, decode, request=request, flow=workspace)

    def assert_refused(self, *workspaces, attempts=0):
        """These requests have failed, each with an error of its own."""
        errors = [self.tasks[workspace].exception() for workspace in workspaces]
        assert len({id(error) for error in errors}) == len(workspaces)
        for workspace, error in zip(workspaces, errors, strict=True):
            assert type(error) is RateLimitError
            assert (error.workspace, error.attempts, error.status) == (workspace, attempts, 429)
            assert str(error).startswith("not sent: an earlier request of this session got 429 with Retry-After: 300")
        assert self.retrier.limiter.in_flight == 0
        assert self.retrier.limiter.slots.available == self.retrier.limiter.slots.capacity

    async def finish(self):
        for response in self._responses.values():
            if not response.done():
                response.set_result(None)
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)


async def test_queued(clock):
    """Requests that wait for a slot fail at once, and so do later ones."""
    server = Server(clock)
    await server.start("a", "b", "c")
    await server.respond("a", status_error(429, 300))
    assert server.tasks["a"].exception().attempts == 1
    server.assert_refused("b", "c")
    await server.start("d")
    server.assert_refused("d")
    assert (server.sent, len(server.reported), server.sleep.pending) == (["a"], 1, [])


async def test_paused(clock):
    """Requests that wait for the end of a pause fail before it ends."""
    server = Server(clock, concurrency=3)
    await server.start("a", "b")
    await server.respond("a", status_error(429, 60))
    await server.start("c", "d")
    assert server.sleep.pending
    await server.respond("b", status_error(429, 300))
    assert server.tasks["b"].exception().retry_after == 300
    server.assert_refused("c", "d")
    server.assert_refused("a", attempts=1)
    assert (server.sent, len(server.reported)) == (["a", "b"], 2)


async def test_before_a_retry(clock):
    """A request that waits for its retry fails before it would be sent again."""
    server = Server(clock, concurrency=2)
    await server.start("a", "b")
    await server.respond("a", RESET)
    assert len(server.sleep.pending) == 1
    await server.respond("b", status_error(429, 300))
    server.assert_refused("a", attempts=1)


async def test_in_flight(clock):
    """Requests in flight are completed; one that would be retried is not."""
    server = Server(clock, concurrency=3)
    await server.start("a", "b", "c")
    await server.respond("a", status_error(429, 300))
    await server.respond("b")
    assert server.tasks["b"].result() == b"body"
    await server.respond("c", RESET)
    server.assert_refused("c", attempts=1)
    await server.start("d")
    server.assert_refused("d")


async def test_over(clock):
    """When the time is over, requests are sent again."""
    server = Server(clock)
    await server.start("a")
    await server.respond("a", status_error(429, 300))
    clock.now += 299
    await server.start("b")
    server.assert_refused("b")
    assert server.tasks["b"].exception().retry_after == pytest.approx(1)
    clock.now += 1
    await server.start("c")
    while "c" not in server.sent:
        server.sleep.wake()  # the pacer
        await settle()
    await server.respond("c")
    assert server.tasks["c"].result() == b"body"
    await server.finish()


@pytest.mark.parametrize("status", [408, 500, 502, 504])
async def test_other_statuses(clock, status):
    """A `Retry-After` of any other status holds for its request only."""
    server = Server(clock)
    await server.start("a", "b")
    await server.respond("a", status_error(status, 300))
    assert server.tasks["a"].exception().status == status
    await server.respond("b")
    assert server.tasks["b"].result() == b"body"


async def test_no_backoff(clock):
    """Inside `no_backoff`, nothing is remembered."""
    server = Server(clock)
    with no_backoff():
        await server.start("a", "b")
        await server.respond("a", status_error(429, 300))
        assert server.tasks["a"].exception().retry_after == 300
        await server.respond("b")
        assert server.tasks["b"].result() == b"body"


@pytest.mark.parametrize("iterations", range(4))
async def test_cancelled_as_it_opens(clock, iterations):
    """A cancellation that arrives as a wait ends is not lost."""
    server = Server(clock, concurrency=2)
    await server.start("a", "b")
    await server.respond("a", RESET)
    server._responses["b"].set_result(status_error(429, 300))
    for _ in range(iterations):
        await asyncio.sleep(0)
    cancelling = server.tasks["a"].cancel()
    await settle()
    assert server.tasks["a"].cancelled() == cancelling
    assert cancelling or iterations == 3
    await server.finish()


@pytest.mark.parametrize("iterations", range(4))
async def test_two_refusals(clock, iterations):
    """A second refusal, at whichever moment after the first one, is as the first one."""
    limiter = RequestLimiter(1, ManualSleep(clock))
    limiter.pause(100)
    waiting = asyncio.create_task(limiter.acquire("flow"))
    await settle()
    for _ in range(2):
        limiter.throttled(status_error(429, 300), sent_at=clock.now, pause=None)
        for _ in range(iterations):
            await asyncio.sleep(0)
    with pytest.raises(RateLimitError, match="not sent"):
        await waiting


def open_error(circuit, now):
    with pytest.raises(APIStatusError) as caught:
        circuit.check(now)
    return caught.value


def test_longest():
    """The longest silence that was asked for counts."""
    circuit = CircuitBreaker()
    circuit.check(0)
    circuit.open(status_error(503, 300), now=0)
    circuit.open(status_error(429, 200), now=50)
    assert type(open_error(circuit, 299)) is ServerError
    circuit.open(status_error(429, 200), now=150)
    assert type(open_error(circuit, 349)) is RateLimitError
    assert circuit.is_open
    circuit.check(350)
    assert not circuit.is_open


@pytest.mark.parametrize("has_tblib", [False, True])
def test_error(monkeypatch, has_tblib):
    """The errors have the details of the response, but neither its traceback nor its annotations."""
    if has_tblib:  # which Dask installs: copies and pickles then have tracebacks
        monkeypatch.setitem(copyreg.dispatch_table, RateLimitError, pickling_support.pickle_exception)
    else:
        monkeypatch.delitem(copyreg.dispatch_table, RateLimitError, raising=False)
    circuit, original = CircuitBreaker(), status_error(429, 300)
    original.attempts, original.workspace, original.request_id = 1, "acc_1", "req_1"
    try:
        raise original
    except RateLimitError:
        circuit.open(original, now=0)
    assert circuit._error.__traceback__ is None
    error = open_error(circuit, 100)
    assert (error.attempts, error.workspace, error.request_id, error.retry_after) == (0, None, "req_1", 200)
    assert error.retryable
    assert str(error) == (
        "not sent: an earlier request of this session got 429 with Retry-After: 300 [retry after 200 s]"
    )
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert (original.attempts, original.workspace, original.retry_after) == (1, "acc_1", 300)
