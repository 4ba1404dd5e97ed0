"""The pytest fixtures, in projects like those of users."""

import pytest

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


async def test_service(piriod_server):
    chileans = [customer for customer in piriod_server.customers() if customer["country"]["id"] == "CL"]
    assert await count_chileans() == len(chileans)
    piriod_server.remove(chileans[0]["id"])
    assert await count_chileans() == len(chileans) - 1
    SEEN.append(piriod_server)


async def test_new_server_for_each_test(piriod_server):
    assert piriod_server not in SEEN
    assert len(piriod_server.customers()) == 1_000


async def test_retries_do_not_wait(piriod_server):
    piriod_server.fail(status=503, retry_after=100, times=3)
    piriod_server.fail(status=429, retry_after=100, page=1)
    assert await count_chileans() > 600
    assert [request.status for request in piriod_server.requests[:5]] == [503, 503, 503, 429, 200]


async def test_make_piriod_server(make_piriod_server):
    one, other = await make_piriod_server({"acc_1": 30}), await make_piriod_server(5, latency=0.001)
    async with one.session() as piriod:
        assert len(await piriod.customers().collect()) == 30
    assert one.url != other.url
"""
WITH_AIOHTTP = """

async def test_with_aiohttp_client(aiohttp_client, piriod_server):
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
def test_in_project(pytester: pytest.Pytester, tests: str, options: list[str], passed: int) -> None:
    """The fixtures work with pytest-asyncio in both modes and with pytest-aiohttp, without a warning."""
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(service=SERVICE, test_service=tests)
    loop = ["-o", "asyncio_default_fixture_loop_scope=function"]
    result = pytester.runpytest_subprocess("-W", "error", "-p", "no:xdist", "-p", "no:cacheprovider", *loop, *options)
    result.assert_outcomes(passed=passed)


def test_not_a_plugin(pytester: pytest.Pytester) -> None:
    """Installing the package does not load it into every test run."""
    pytester.makepyfile("import sys\n\ndef test():\n    assert 'piriod_async' not in sys.modules")
    pytester.runpytest_subprocess("-p", "no:xdist").assert_outcomes(passed=1)
