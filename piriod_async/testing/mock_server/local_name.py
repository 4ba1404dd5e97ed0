"""Requests to one URL reach a mock server, whatever its port is."""

import socket

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from piriod_async.testing.mock_server.local_server import LocalServer

LOCAL_URL = "http://localhost"
"""The base URL: a name, because aiohttp resolves no address."""


def open_local_session(server: LocalServer) -> aiohttp.ClientSession:
    """Return an aiohttp session whose requests to `LOCAL_URL` go to a mock server that is started.

    Checkpoints and mirrors remember the URL of their server, and the port of a mock server differs in each run.
    """
    connector = aiohttp.TCPConnector(limit=0, resolver=_Resolver(server))
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())


class _Resolver(AbstractResolver):
    def __init__(self, server: LocalServer) -> None:
        self._server = server

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        address, port = self._server.address
        return [ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)]

    async def close(self) -> None:
        """Do nothing: there is nothing to close."""
