"""The pytest fixtures, in projects like those of users."""

import pytest

SERVICE = """
import asyncio

from piriod_async import PiriodSession


async def count_chileans():
    async with PiriodSession.from_env() as piriod:
        return len(await piriod.customers(country="CL").collect())


def count_chileans_sync():
    return asyncio.run(count_chileans())
"""
CONFTEST = """
import threading

import pytest

pytest_plugins = ["piriod_async.testing.fixtures"]


@pytest.fixture(autouse=True)
def environment(piriod_server, monkeypatch):
    monkeypatch.setenv("PIRIOD_TOKEN", piriod_server.token)
    monkeypatch.setenv("PIRIOD_WORKSPACE", piriod_server.workspace)
    monkeypatch.setenv("PIRIOD_BASE_URL", piriod_server.url)


@pytest.fixture(scope="session", autouse=True)
def no_thread_left():
    yield
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("piriod")]
"""
SYNC_TESTS = """
import pytest

from service import count_chileans_sync


def test_synchronous_code(piriod_server):
    chileans = [customer for customer in piriod_server.customers() if customer["country"]["id"] == "CL"]
    assert count_chileans_sync() == len(chileans)
    piriod_server.remove(chileans[0]["id"])
    assert count_chileans_sync() == len(chileans) - 1


def test_retries_do_not_wait(piriod_server):
    piriod_server.fail(status=503, retry_after=100, times=3)
    piriod_server.fail(status=429, retry_after=100, page=1)
    assert count_chileans_sync() > 600
    assert [request.status for request in piriod_server.requests[:5]] == [503, 503, 503, 429, 200]


@pytest.mark.parametrize("seen", [[]])
@pytest.mark.parametrize("_", range(2))
def test_new_server_for_each_test(piriod_server, seen, _):
    assert piriod_server not in seen
    assert len(piriod_server.customers()) == 1_000
    seen.append(piriod_server)


def test_make_piriod_server(make_piriod_server, monkeypatch):
    one, other = make_piriod_server({"acc_1": [{"country": {"id": "CL"}}, {}]}), make_piriod_server(5, latency=0.001)
    assert one.url != other.url
    monkeypatch.setenv("PIRIOD_BASE_URL", one.url)
    monkeypatch.setenv("PIRIOD_WORKSPACE", "acc_1")
    assert 1 <= count_chileans_sync() <= 2
"""
ASYNC_TESTS = """
import pytest

from service import count_chileans


@MARK
async def test_asynchronous_code(piriod_server):
    chileans = [customer for customer in piriod_server.customers() if customer["country"]["id"] == "CL"]
    assert await count_chileans() == len(chileans)
    piriod_server.remove(chileans[0]["id"])
    piriod_server.fail(status=503, retry_after=100, times=3)
    assert await count_chileans() == len(chileans) - 1


@MARK
async def test_make_piriod_server(make_piriod_server):
    server = make_piriod_server({"acc_1": 30})
    async with server.session() as piriod:
        assert len(await piriod.customers().collect()) == 30
"""
LOOP_SCOPE_TESTS = """
import pytest

from service import count_chileans


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("_", range(2))
async def test_module_loop(piriod_server, _):
    assert await count_chileans() > 600


@pytest.mark.asyncio(loop_scope="session")
async def test_session_loop(piriod_server):
    assert await count_chileans() > 600
"""
WITH_AIOHTTP = """

async def test_with_aiohttp_client(aiohttp_client, piriod_server):
    from aiohttp import web

    async def count(_):
        return web.json_response(await count_chileans())

    app = web.Application()
    app.router.add_get("/", count)
    client = await aiohttp_client(app)
    async with client.get("/") as response:
        assert await response.json() > 600
"""
FOR_UNITTEST = """
import unittest.mock

from piriod_async.testing import MockServer
from service import count_chileans_sync


class ServiceTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(MockServer([{"country": {"id": "CL"}}]))

    def test_service(self):
        with unittest.mock.patch.dict("os.environ", PIRIOD_BASE_URL=self.server.url):
            self.assertEqual(count_chileans_sync(), 1)
"""
PLUGINS = {  # tests, options of pytest, tests that pass
    "no plugin": (SYNC_TESTS, "-p no:asyncio -p no:aiohttp -p no:anyio", 5),
    "unittest": (FOR_UNITTEST, "-p no:asyncio -p no:aiohttp", 1),
    "pytest-asyncio, auto": (ASYNC_TESTS.replace("@MARK", ""), "-p no:aiohttp -o asyncio_mode=auto", 2),
    "pytest-asyncio, strict": (ASYNC_TESTS.replace("@MARK", "@pytest.mark.asyncio"), "-p no:aiohttp", 2),
    "pytest-asyncio, loop scopes": (LOOP_SCOPE_TESTS, "-p no:aiohttp", 3),
    "pytest-asyncio, one loop": (
        ASYNC_TESTS.replace("@MARK", ""),
        "-p no:aiohttp -o asyncio_mode=auto -o asyncio_default_test_loop_scope=session",
        2,
    ),
    "pytest-aiohttp": (ASYNC_TESTS.replace("@MARK", "") + WITH_AIOHTTP, "-o asyncio_mode=auto", 3),
    "anyio": (
        ASYNC_TESTS.replace("@MARK", '@pytest.mark.anyio\n@pytest.mark.parametrize("anyio_backend", ["asyncio"])'),
        "-p no:asyncio -p no:aiohttp",
        2,
    ),
}


def run(pytester: pytest.Pytester, tests: str, *options: str) -> pytest.RunResult:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(service=SERVICE, test_service=tests)
    if "no:asyncio" not in options:
        options = "-o", "asyncio_default_fixture_loop_scope=function", *options
    return pytester.runpytest_subprocess("-W", "error", "-p", "no:cacheprovider", *options)


@pytest.mark.parametrize("plugin", PLUGINS)
def test_plugin(pytester: pytest.Pytester, plugin: str) -> None:
    """The fixtures serve tests of any kind and on any event loop, without a warning or a thread that is left."""
    tests, options, passed = PLUGINS[plugin]
    result = run(pytester, tests, "-p", "no:xdist", *options.split())
    result.assert_outcomes(passed=passed)


def test_xdist(pytester: pytest.Pytester) -> None:
    """Several processes run tests at a time, each with its own servers."""
    result = run(pytester, SYNC_TESTS, "-n", "2", "-p", "no:asyncio", "-p", "no:aiohttp")
    result.assert_outcomes(passed=5)


def test_not_a_plugin(pytester: pytest.Pytester) -> None:
    """Installing the package does not load it into every test run."""
    pytester.makepyfile("import sys\n\ndef test():\n    assert 'piriod_async' not in sys.modules")
    pytester.runpytest_subprocess("-p", "no:xdist").assert_outcomes(passed=1)
