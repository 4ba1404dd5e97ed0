"""The log says what happened, and contains no filter values."""

import asyncio
import logging
import re
from contextlib import aclosing
from logging import DEBUG, INFO

import pytest

from piriod_async import APIConnectionError, MultipleCustomersError, PiriodError, PiriodSession
from piriod_async.testing.mock_server import MockServer
from tests.support.tasks import until
from tests.support.telemetry import Telemetry

pytestmark = pytest.mark.usefixtures("no_leaks")

FILTERS = {
    "name": "Peñaflor",
    "email": "contacto@penaflor.cl",
    "tax_id": "76.086.428-5",
    "metadata": {"tariff": "dorado"},
}
VALUES = ("Peñaflor", "Pe%C3%B1aflor", "penaflor", "76.086.428", "dorado", "tariff")


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 429},
        {"status": 429, "retry_after": 1},
        {"status": 503, "retry_after": 1},
        {"status": 500, "html": True},
        {"disconnect": "headers"},
        {"disconnect": "body"},
        {"garbage": "html"},
        {"truncate": "length"},
        {"status": 400, "body": '{"name": ["Peñaflor is taken."]}'.encode()},
        {"status": 302, "headers": {"Location": "https://example.com/?name=Peñaflor"}},
    ],
    ids=str,
)
async def test_faults(clock, caplog, fault):
    """Each retry and listing is logged at INFO, each attempt at DEBUG, all without the filters, as the spans are."""
    caplog.set_level(logging.DEBUG)
    telemetry = Telemetry()
    async with MockServer(3) as server, server.session(retry=clock.policy(attempts=3)) as piriod:
        telemetry.instrument(piriod)
        server.fail(**fault, times=None)
        with pytest.raises(PiriodError) as caught:
            await piriod.customers(**FILTERS).collect()
        server.clear_faults()
        assert await piriod.customers(**FILTERS).collect() == []
    ours = [record for record in caplog.records if record.name == "piriod_async"]
    lines = {level: [record.getMessage() for record in ours if record.levelno == level] for level in (INFO, DEBUG)}
    attempts = caught.value.attempts
    kinds = [line.partition(" ")[0] for line in lines[INFO]]
    assert kinds == ["retry"] * (attempts - 1) + ["listing", "listing"]
    numbers = [re.match(r"attempt page=1 workspace=acc_mock attempt=(\d) ", line)[1] for line in lines[DEBUG]]
    assert numbers == [*map(str, range(1, attempts + 1)), "1"]
    assert " status=200 " in lines[DEBUG][-1]
    assert len(telemetry.attempts) == attempts + 1
    assert not [value for value in VALUES if value in telemetry.everything()]
    loud = [record for record in caplog.records if record.levelno > logging.DEBUG]
    assert not [
        record for record in [*ours, *loud] for value in VALUES if value in repr(vars(record)) + record.getMessage()
    ]


async def test_response_that_is_not_http(clock):
    """aiohttp puts the URL into this error; ours leaves it out, for the filters are in its query."""

    async def connected(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(connected, "127.0.0.1") as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with PiriodSession("token", "acc", base_url=url, retry=clock.policy(attempts=2)) as piriod:
            with pytest.raises(APIConnectionError, match="ClientResponseError: Bad status line") as caught:
                await piriod.customers(**FILTERS).collect()
    assert not [value for value in VALUES if value in str(caught.value)]


def listing_lines(caplog):
    """Return the fields of each line about the end of a listing."""
    lines = [record.getMessage().split() for record in caplog.records if record.name == "piriod_async"]
    return [dict(field.split("=") for field in line[1:]) for line in lines if line[0] == "listing"]


async def test_figures_of_listings(clock, caplog):
    """The line about the end of a listing has its figures, and how it ended."""
    caplog.set_level(INFO)
    async with MockServer(250) as server, server.session(retry=clock.policy(attempts=2)) as piriod:
        server.fail(status=503, page=2)
        await piriod.customers(ordering=None).collect()
        async with aclosing(aiter(piriod.customers(ordering=None))) as customers:
            await anext(customers)
        await piriod.customers(ordering=None).first()
        await piriod.customers(ordering=None).count()
        server.fail(status=404, page=3)
        with pytest.raises(PiriodError):
            await piriod.customers(ordering=None).collect()
    lines = listing_lines(caplog)
    assert all(float(line["seconds"]) >= 0 and line["workspace"] == "acc_mock" for line in lines)
    figures = [(line["outcome"], int(line["delivered"]), int(line["retries"])) for line in lines]
    assert figures == [
        ("complete", 250, 1),
        ("left", 1, 0),
        ("complete", 1, 0),
        ("complete", 0, 0),
        ("IncompleteListError", 200, 0),
    ]
    assert sum(int(line["requests"]) for line in lines) == len(server.requests)


async def test_several_instead_of_one(caplog):
    """A listing that `one_or_none` ends, at its second customer, is logged with the error."""
    caplog.set_level(INFO)
    async with MockServer(3) as server, server.session() as piriod:
        listing = piriod.customers()
        async with aclosing(aiter(listing)) as customers:
            await anext(customers)
        for each in (piriod.customers(), piriod.customers(after=listing.checkpoint)):
            with pytest.raises(MultipleCustomersError):
                await each.one_or_none()
    assert [line["outcome"] for line in listing_lines(caplog)] == ["left", *["MultipleCustomersError"] * 2]


async def test_cancelled_listing(caplog):
    """A listing that is cancelled is logged when its requests have ended."""
    caplog.set_level(INFO)
    async with MockServer(250) as server, server.session() as piriod:
        server.fail(stall=True, times=None)
        task = asyncio.create_task(piriod.customers().collect())
        await until(lambda: piriod.stats.in_flight)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert [line["outcome"] for line in listing_lines(caplog)] == ["CancelledError"]
