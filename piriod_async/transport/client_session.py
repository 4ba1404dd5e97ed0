"""The aiohttp session that we open when the caller passes none, and abandon in a forked process."""

import aiohttp


def open_client_session(concurrency: int) -> aiohttp.ClientSession:
    """Return an aiohttp session that stores no cookies and has one connection per concurrent request."""
    connector = aiohttp.TCPConnector(limit=concurrency)
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())


def abandon_client_session(client_session: aiohttp.ClientSession) -> None:
    """Drop the aiohttp session of the parent in a forked process, without closing its connections.

    Closing them, as garbage collection would, deregisters them from the epoll object that both processes share: the
    parent would wait for its responses in vain.
    """
    if connector := client_session.connector:
        connector._closed = True  # noqa: SLF001 (there is no public way to keep it from closing its connections)
    client_session.detach()
