"""The log says what happened, and contains no filter values."""

import asyncio
import logging

import pytest

from piriod_async import APIConnectionError, PiriodError, PiriodSession
from piriod_async.testing.mock_server import MockServer

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
    """Each retry is logged at INFO, each response at DEBUG, both without the filters."""
    caplog.set_level(logging.DEBUG)
    async with MockServer(3) as server, server.session(retry=clock.policy(attempts=3)) as piriod:
        server.fail(**fault, times=None)
        with pytest.raises(PiriodError) as caught:
            await piriod.customers(**FILTERS).collect()
        server.clear_faults()
        assert await piriod.customers(**FILTERS).collect() == []
    ours = [record for record in caplog.records if record.name == "piriod_async"]
    assert len([record for record in ours if record.levelno == logging.INFO]) == caught.value.attempts - 1
    assert any(": 200 at attempt 1" in record.getMessage() for record in ours)
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
