"""Connections of our own, where the caller lends none."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncGenerator, Mapping
from typing import Any
from urllib.request import getproxies, proxy_bypass
from weakref import WeakSet

import aiohttp
from yarl import URL

from piriod_async.errors import ConfigurationError

_open: "dict[asyncio.AbstractEventLoop, tuple[WeakSet[aiohttp.ClientSession], AsyncGenerator[None, None]]]" = {}


async def open_client_session(concurrency: int) -> aiohttp.ClientSession:
    """Return a client that sends no cookies and has a connection for each request at once.

    A loop that ends closes it, so that a session may outlive its loop in good order; of one that is dropped before
    that, unclosed, aiohttp itself warns.
    """
    connector = aiohttp.TCPConnector(limit=concurrency)
    client = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
    loop = asyncio.get_running_loop()
    if loop not in _open:
        for ended in [each for each in _open if each.is_closed()]:  # without closing its generators
            del _open[ended]
        clients = WeakSet[aiohttp.ClientSession]()
        _open[loop] = clients, _close_with(loop, clients)
        await anext(_open[loop][1])  # it begins, and the loop does not turn meanwhile
    _open[loop][0].add(client)
    return client


async def _close_with(
    loop: asyncio.AbstractEventLoop, clients: WeakSet[aiohttp.ClientSession]
) -> AsyncGenerator[None, None]:
    """Close clients when the loop ends: asyncio then closes each generator that is still open."""
    try:
        yield
    finally:
        _open.pop(loop, None)
        for client in list(clients):
            await client.close()


def proxy_options(url: URL) -> Mapping[str, Any]:
    """Return what makes aiohttp pass the environment's proxy.

    Its own `trust_env` would read a netrc as well, refuse our token beside one that has a default, and do all that for
    every request. What goes in clear stays on this machine and passes no proxy.
    """
    address = getproxies().get("https")
    if not address or url.scheme != "https" or proxy_bypass(url.host or ""):
        return {}
    try:
        proxy = URL(address)
        bare = proxy.with_user(None)
    except ValueError:
        raise ConfigurationError("HTTPS_PROXY: expected an address such as http://proxy.example:3128") from None
    login = b64encode(f"{proxy.user}:{proxy.password or ''}".encode()).decode()
    return {"proxy": bare, "proxy_headers": {"Proxy-Authorization": f"Basic {login}"} if proxy.user else {}}
