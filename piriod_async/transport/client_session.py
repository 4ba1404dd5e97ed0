"""The aiohttp session that we open when the caller passes none."""

import aiohttp


def open_client_session(concurrency: int) -> aiohttp.ClientSession:
    """Return an aiohttp session that stores no cookies and has one connection per concurrent request."""
    connector = aiohttp.TCPConnector(limit=concurrency)
    return aiohttp.ClientSession(connector=connector)
