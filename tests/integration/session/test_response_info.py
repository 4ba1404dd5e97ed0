"""The status, headers and duration of responses: on pages, and on errors."""

import copy
import pickle

import pytest

from piriod_async import APIStatusError, Page, ResponseInfo, RetryPolicy
from piriod_async.testing.mock_server import MockServer

pytestmark = pytest.mark.usefixtures("no_leaks")

HEADERS = {"X-RateLimit-Remaining": "7", "Set-Cookie": "a=secret", "X-Request-Id": "req_7"}


def check(info, status):
    """Check a response, and that it is the same after copying and pickling."""
    for each in (info, copy.deepcopy(info), pickle.loads(pickle.dumps(info))):
        assert each == info
        assert (each.status, each.request_id) == (status, "req_7")
        assert each.headers["x-ratelimit-remaining"] == each.headers["X-RATELIMIT-REMAINING"] == "7"
        assert "Set-Cookie" not in each.headers
        assert "secret" not in f"{each!r} {each.headers!r}"
        assert "?" not in each.url
        assert 0 < each.seconds < 60
    with pytest.raises(TypeError):
        info.headers["x"] = "y"


@pytest.mark.parametrize("ordering", ["created", None])
async def test_page(ordering):
    """Each page has its own response."""
    async with MockServer(250) as server, server.session() as piriod:
        server.fail(headers=HEADERS, times=None)
        pages = [page async for page in piriod.customers(ordering=ordering).pages()]
        assert len(pages) >= 3
        for page in pages:
            check(page.response, 200)
            assert page.response.url == f"{server.url}/customers/"
        assert len({page.response.seconds for page in pages}) == len(pages)
        assert "Piriod" not in repr(pages[0].response)


async def test_pages_of_workspaces():
    """So has each page of many workspaces."""
    async with MockServer({"acc_1": 3, "acc_2": 3}) as server, server.session() as piriod:
        server.fail(headers=HEADERS, times=None)
        async for _, page in piriod.across(["acc_1", "acc_2"]).pages():
            check(page.response, 200)


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 429, 503])
async def test_error(status):
    """So has an error, after pickling too."""
    async with MockServer(3) as server, server.session(retry=RetryPolicy(attempts=1)) as piriod:
        server.fail(status=status, headers=HEADERS)
        with pytest.raises(APIStatusError) as caught:
            await piriod.customers().collect()
        error = pickle.loads(pickle.dumps(caught.value))
        assert error.request_id == "req_7"
        check(error.response, status)


@pytest.mark.parametrize("status", [200, 500])
async def test_echoed_token(status):
    """A token that the server echoes in a header is taken out, also in pickles."""
    async with MockServer(3, token="0123456789abcdef") as server:
        headers = {"X-Echo": "Token 0123456789abcdef"}
        server.fail(headers=headers) if status == 200 else server.fail(status=status, headers=headers)
        async with server.session(retry=RetryPolicy(attempts=1)) as piriod:
            try:
                info = (await anext(aiter(piriod.customers().pages()))).response
            except APIStatusError as error:
                info = error.response
        assert (info.status, info.headers["x-echo"]) == (status, "Token ********")
        assert b"0123456789abcdef" not in pickle.dumps(info)


def test_made_by_hand():
    """The tests of an application can make one from a dict."""
    check(ResponseInfo(status=200, url="https://api.piriod.com/customers/", seconds=0.1, headers=HEADERS), 200)


def test_not_received():
    """A page that was not received has none."""
    assert Page(customers=(), count=0, raw=b"").response is None
    assert APIStatusError("no").response is None
