"""The fixtures, in projects as users have them, and retries that do not wait."""

import pytest

from piriod_async import RateLimitError
from piriod_async.testing import no_backoff
from piriod_async.testing.mock_server import MockServer

SERVICE = """
from piriod_async import PiriodSession


async def count_chileans():
    async with PiriodSession.from_env() as piriod:
        return len(await piriod.customers(country="CL").collect())
"""
CONFTEST = """
import pytest

pytest_plugins = ["piriod_async.testing.fixtures"]


@pytest.fixture(autouse=True)
def environment(piriod_server, monkeypatch):
    monkeypatch.setenv("PIRIOD_TOKEN", piriod_server.token)
    monkeypatch.setenv("PIRIOD_WORKSPACE", piriod_server.workspace)
    monkeypatch.setenv("PIRIOD_BASE_URL", piriod_server.url)
"""
TESTS = """
from aiohttp import web

from service import count_chileans

SEEN = []


async def test_a_service(piriod_server):
    chileans = [customer for customer in piriod_server.customers() if customer["country"]["id"] == "CL"]
    assert await count_chileans() == len(chileans)
    piriod_server.remove(chileans[0]["id"])
    assert await count_chileans() == len(chileans) - 1
    SEEN.append(piriod_server)


async def test_a_fresh_one_for_each_test(piriod_server):
    assert piriod_server not in SEEN
    assert len(piriod_server.customers()) == 1_000


async def test_retries_do_not_wait(piriod_server):
    piriod_server.fail(status=503, retry_after=100, times=3)
    piriod_server.fail(status=429, retry_after=100, page=1)
    assert await count_chileans() > 600
    assert [request.status for request in piriod_server.requests[:5]] == [503, 503, 503, 429, 200]


async def test_to_order(make_piriod_server):
    one, other = await make_piriod_server({"acc_1": 30}), await make_piriod_server(5, latency=0.001)
    async with one.session() as piriod:
        assert len(await piriod.customers().collect()) == 30
    assert one.url != other.url
"""
WITH_AIOHTTP = """

async def test_beside_a_client_of_pytest_aiohttp(aiohttp_client, piriod_server):
    async def count(_):
        return web.json_response(await count_chileans())

    app = web.Application()
    app.router.add_get("/", count)
    client = await aiohttp_client(app)
    async with client.get("/") as response:
        assert await response.json() > 600
"""
STRICT = TESTS.replace("async def test", "@pytest.mark.asyncio\nasync def test").replace(
    "from aiohttp", "import pytest\nfrom aiohttp", 1
)


@pytest.mark.parametrize(
    ("tests", "options", "passed"),
    [
        (TESTS, ["-o", "asyncio_mode=auto", "-p", "no:aiohttp"], 4),
        (STRICT, ["-o", "asyncio_mode=strict", "-p", "no:aiohttp"], 4),
        (TESTS + WITH_AIOHTTP, ["-o", "asyncio_mode=auto"], 5),
    ],
    ids=["pytest-asyncio, auto", "pytest-asyncio, strict", "pytest-aiohttp"],
)
def test_in_a_project(pytester: pytest.Pytester, tests: str, options: list[str], passed: int) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(service=SERVICE, test_service=tests)
    loop = ["-o", "asyncio_default_fixture_loop_scope=function"]
    result = pytester.runpytest_subprocess("-W", "error", "-p", "no:xdist", "-p", "no:cacheprovider", *loop, *options)
    result.assert_outcomes(passed=passed)


def test_nobody_pays_for_it_unasked(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import sys\n\ndef test():\n    assert 'piriod_async' not in sys.modules")
    pytester.runpytest_subprocess("-p", "no:xdist").assert_outcomes(passed=1)


async def test_it_waits_again_afterwards(clock) -> None:
    async with MockServer(3) as sandbox, sandbox.session(retry=clock.policy()) as piriod:
        with no_backoff(), no_backoff():
            sandbox.fail(status=429, retry_after=100, times=2)
            sandbox.fail(status=500, times=2)
            await piriod.customers().count()
            assert (clock.sleeps, piriod.stats.pace) == ([0, 0, 0, 0], None)
        sandbox.fail(status=429, retry_after=100)
        await piriod.customers().count()
        assert 100 <= sum(clock.sleeps) <= 101
        assert piriod.stats.pace is not None


async def test_what_is_not_waited_for_is_raised_all_the_same() -> None:
    async with MockServer(3) as sandbox, sandbox.session() as piriod:
        sandbox.fail(status=429, retry_after=1_000)
        with no_backoff(), pytest.raises(RateLimitError) as caught:
            await piriod.customers().count()
        assert caught.value.attempts == 1
