"""Retries over real sockets: waits, errors that are final, and certificates."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import aiohttp
import pytest

from piriod_async import APIConnectionError, DecodeError, PiriodSession
from piriod_async.testing.mock_server import MockServer, Unchecked
from tests.support.tls import untrusted_context

pytestmark = pytest.mark.usefixtures("no_leaks")

NOON = datetime(2031, 5, 5, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("fault", "sleeps"),
    [
        ({"status": 429, "retry_after": 7}, [0, 7.5]),
        ({"status": 429}, [0, 0.5]),
        ({"status": 503, "retry_after": 7}, [0, 7.5]),
        ({"status": 503}, [0.5]),
        ({"status": 500, "retry_after": 7}, [7.5]),
        ({"status": 500, "headers": {"Retry-After": "later"}}, [0.5]),
        ({"status": 429, "headers": {"Retry-After": "nan"}}, [0, 0.5]),
    ],
    ids=str,
)
@pytest.mark.usefixtures("max_jitter")
async def test_waits(clock, fault, sleeps):
    """The wait follows `Retry-After` where the server sends a valid one."""
    async with MockServer(3) as server, server.session(retry=clock.policy()) as piriod:
        server.fail(**fault)
        assert len(await piriod.customers().collect()) == 3
    assert clock.sleeps == pytest.approx(sleeps)


@pytest.mark.usefixtures("max_jitter")
async def test_server_clock(clock):
    """A date in `Retry-After` is compared with the server's `Date`, not with our clock."""
    headers = {
        "Date": format_datetime(NOON, usegmt=True),
        "Retry-After": format_datetime(NOON + timedelta(seconds=40), usegmt=True),
    }
    async with MockServer(3) as server, server.session(retry=clock.policy()) as piriod:
        server.fail(status=500, headers=headers)
        assert len(await piriod.customers().collect()) == 3
    assert clock.sleeps == [40.5]


async def test_undecodable_record(clock):
    """A customer that cannot be decoded is not requested again."""
    async with MockServer(3) as server, server.session(retry=clock.policy()) as piriod:
        server.add(created=Unchecked("yesterday"))
        with pytest.raises(DecodeError, match="'yesterday' is not a date-time") as caught:
            await piriod.customers(ordering=None).collect()
        assert caught.value.attempts == len(server.requests) == 1
    assert clock.sleeps == []


@pytest.mark.parametrize(
    "function",
    [
        "decoding.strict.decode_page",
        "transport.sender.error_from_response",
        "transport.sender.read_body",
    ],
)
@pytest.mark.parametrize("kind", [TypeError, RuntimeError])
async def test_bug(clock, function, kind, monkeypatch):
    """A bug in the library is neither retried nor disguised."""

    def buggy(*_, **__):
        raise kind("a bug")

    monkeypatch.setattr(f"piriod_async.{function}", buggy)
    async with MockServer(3) as server, server.session(retry=clock.policy()) as piriod:
        if function.endswith("error_from_response"):
            server.fail(status=500)
        with pytest.raises(kind, match="a bug"):
            await piriod.customers().collect()
        assert len(server.requests) == 1
    assert clock.sleeps == []


@asynccontextmanager
async def tls_server():
    """Yield the base URL of a server with an untrusted certificate, and the bytes it received."""
    received = []

    async def connected(reader, writer):
        received.append(await reader.read())
        writer.close()

    async with await asyncio.start_server(connected, "127.0.0.1", ssl=untrusted_context()) as server:
        yield f"https://localhost:{server.sockets[0].getsockname()[1]}", received


async def test_untrusted_certificate(clock, monkeypatch):
    """A certificate of an unknown authority is a final error, and nothing is sent."""
    monkeypatch.setenv("NO_PROXY", "localhost")
    async with (
        tls_server() as (base_url, received),
        PiriodSession("token", "acc", base_url=base_url, retry=clock.policy()) as piriod,
    ):
        with pytest.raises(APIConnectionError, match="CERTIFICATE_VERIFY_FAILED") as caught:
            await piriod.customers().collect()
        assert isinstance(caught.value.__cause__, aiohttp.ClientConnectorCertificateError)
        assert (caught.value.attempts, caught.value.retryable) == (1, False)
    assert clock.sleeps == received == []


async def test_pinned_certificate(clock):
    """A certificate other than the one that the caller pinned is a final error, and nothing is sent."""
    connector = aiohttp.TCPConnector(ssl=aiohttp.Fingerprint(bytes(32)))
    async with (
        tls_server() as (base_url, received),
        aiohttp.ClientSession(connector=connector) as client_session,
        PiriodSession("token", "acc", base_url=base_url, client_session=client_session, retry=clock.policy()) as piriod,
    ):
        with pytest.raises(APIConnectionError) as caught:
            await piriod.customers().collect()
        assert isinstance(caught.value.__cause__, aiohttp.ServerFingerprintMismatch)
        assert caught.value.attempts == 1
    assert clock.sleeps == []
    assert b"".join(received) == b""
