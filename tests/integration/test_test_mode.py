"""Test data and live data are told apart by the records themselves: a proxy may drop the header that asks for them."""

from typing import Any

import pytest
from attrs import evolve

from piriod_async import FilterIgnoredError
from piriod_async.testing.mock_server import OMITTED, MockServer

pytestmark = pytest.mark.usefixtures("no_leaks")


class StrippingProxy(MockServer):
    """A server behind a proxy that drops the header, or sets it, as of a request."""

    def __init__(self, *args: Any, test_mode: bool = False, since: int = 0, **options: Any) -> None:
        super().__init__(*args, **options)
        self.proxy_test_mode, self.since = test_mode, since

    def _list(self, workspace: str, recorded: Any, url: str) -> Any:
        if len(self.requests) >= self.since:
            recorded = evolve(recorded, test_mode=self.proxy_test_mode)
        return super()._list(workspace, recorded, url)


@pytest.mark.parametrize("read", ["collect", "first", "count"])
@pytest.mark.parametrize(("requested", "received"), [("test", "live"), ("live", "test")])
async def test_header_dropped(requested: str, received: str, read: str) -> None:
    """Every method that reads raises an error before the first wrong customer, unless filters are not checked."""
    options = {"test_mode": requested == "test"}
    async with StrippingProxy(30, test_mode=received == "test") as server, server.session(**options) as piriod:
        message = f"answered with {received} data though {requested} data was requested"
        with pytest.raises(FilterIgnoredError, match=message) as caught:
            await getattr(piriod.customers(), read)()
        assert "check_filters=False" in str(caught.value)
        assert (caught.value.retryable, caught.value.workspace, len(server.requests)) == (False, "acc_mock", 1)
        assert await getattr(piriod.customers(check_filters=False), read)()


@pytest.mark.parametrize("ordering", ["created", "-created", "name", None])
async def test_mixed(ordering: str | None) -> None:
    """No live customer gets into a listing of test data, also if only some requests lose the header."""
    async with StrippingProxy(500, since=1) as server, server.session(test_mode=True) as piriod:
        delivered = []
        try:
            async for customer in piriod.customers(ordering=ordering, page_size=10):
                delivered.append(customer.test_mode)  # noqa: PERF401 (customers before the error count)
        except FilterIgnoredError:
            assert set(delivered) == {True}
        else:
            pytest.fail("no error")


@pytest.mark.parametrize("read", ["collect", "first", "count"])
@pytest.mark.parametrize("test_mode", [True, False])
async def test_header_kept(read: str, test_mode: bool) -> None:
    """With the header, either kind of data is delivered."""
    async with MockServer(30) as server, server.session(test_mode=test_mode) as piriod:
        assert await getattr(piriod.customers(), read)()
        assert {customer.test_mode for customer in await piriod.customers().collect()} == {test_mode}


@pytest.mark.parametrize("value", [OMITTED, None])
async def test_unknown(value: Any) -> None:
    """A record that does not say whether it is test data proves nothing."""
    async with StrippingProxy(0) as server, server.session(test_mode=True) as piriod:
        server.add(test_mode=value)
        assert [customer.test_mode for customer in await piriod.customers().collect()] == [None]


async def test_across() -> None:
    """The error names the workspace, and does not cost another one's customers."""
    async with StrippingProxy({"acc_1": 3, "acc_2": 3}) as server, server.session(test_mode=True) as piriod:
        listing = piriod.across(server.workspaces, on_error="collect")
        assert await listing.collect() == {}
        assert all(isinstance(error, FilterIgnoredError) for error in listing.errors.values())
        assert set(listing.errors) == {"acc_1", "acc_2"}
        assert len((await piriod.across(server.workspaces, check_filters=False).collect())["acc_1"]) == 3
