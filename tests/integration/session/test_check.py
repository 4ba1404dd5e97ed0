"""The health check of a session."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from piriod_async import (
    APIConnectionError,
    AuthenticationError,
    ConfigurationError,
    FilterIgnoredError,
    PermissionDeniedError,
    PiriodSession,
    RetryPolicy,
)
from piriod_async.testing.mock_server import MockServer, Unchecked

pytestmark = pytest.mark.usefixtures("no_leaks")


async def test_report():
    """One request says that all is well, how long it took, and what time the server has."""
    async with MockServer(250) as server, server.session() as piriod:
        report = await piriod.check()
        assert (report.workspace, report.test_mode, report.customers) == ("acc_mock", False, 250)
        assert 0 < report.latency < 60
        assert abs(report.server_date - datetime.now(UTC)) < timedelta(minutes=1)
        assert abs(report.clock_offset) < 60
        [request] = server.requests
        assert dict(request.params)["page_size"] == "1"


@pytest.mark.parametrize("offset", [-3_600, 7_200])
async def test_clock(offset):
    """A clock that is off is measured."""
    date = datetime.now(UTC) + timedelta(seconds=offset)
    async with MockServer(3) as server, server.session() as piriod:
        server.fail(headers={"Date": format_datetime(date, usegmt=True)})
        report = await piriod.check()
        assert abs(report.clock_offset - offset) < 60
        assert report.server_date == date.replace(microsecond=0)


@pytest.mark.parametrize("date", ["", "yesterday", "Thu, 99 Nov 2026 00:00:00 GMT"])
async def test_no_date(date):
    """Without a date that can be read, the rest of the report stands."""
    async with MockServer(3) as server, server.session() as piriod:
        server.fail(headers={"Date": date})
        report = await piriod.check()
        assert (report.customers, report.server_date, report.clock_offset) == (3, None, None)


async def test_workspace_and_mode():
    """The workspace may be named, and the mode is the session's."""
    async with MockServer({"acc_1": 0, "acc_2": 40}) as server, server.session(workspace=None) as piriod:
        report = await piriod.check(workspace="acc_2")
        assert (report.workspace, report.test_mode, report.customers) == ("acc_2", False, 40)
        assert (await piriod.check(workspace="acc_1")).customers == 0
        assert (await piriod.with_options(test_mode=True, workspace="acc_1").check()).test_mode is True
        with pytest.raises(ConfigurationError, match="workspace=None"):
            await piriod.check()


async def test_invalid_record():
    """A customer that cannot be decoded is no failure of the access."""
    async with MockServer(3) as server, server.session() as piriod:
        for customer in server.customers():
            server.update(customer["id"], phone=Unchecked(5))
        assert (await piriod.check()).customers == 3


async def test_ignored_mode():
    """A proxy that drops the header of the test mode is an error."""
    async with MockServer(3) as server, server.session(test_mode=True) as piriod:
        server.fail(body=b'{"count":1,"next":null,"previous":null,"results":[{"id":"a","name":"A","test_mode":false}]}')
        with pytest.raises(FilterIgnoredError, match="live data though test data was requested"):
            await piriod.check()


async def test_errors():
    """A failure is the error of its kind."""
    async with MockServer(3) as server, server.session(retry=RetryPolicy(attempts=1)) as piriod:
        with pytest.raises(AuthenticationError):
            await piriod.with_options(token="wrong-token").check()
        with pytest.raises(PermissionDeniedError):
            await piriod.check(workspace="acc_stranger")
        server.fail(status=500, times=3)
        await piriod.with_options(retry=RetryPolicy(wait_initial=0)).check()  # it is retried as any other request
    async with PiriodSession("token", "acc_1", base_url="http://127.0.0.1:1", retry=RetryPolicy(attempts=1)) as piriod:
        with pytest.raises(APIConnectionError):
            await piriod.check()
