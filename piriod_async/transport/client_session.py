"""The aiohttp session that we open when the caller passes none, and abandon in a forked process."""

import aiohttp

_MAX_HEADER = 64 * 1024  # bytes; aiohttp's 8,190 are fewer than some proxies add (cookies, policies, traces)


def open_client_session(concurrency: int) -> aiohttp.ClientSession:
    """Return an aiohttp session that stores no cookies and has one connection per concurrent request."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=concurrency),
        cookie_jar=aiohttp.DummyCookieJar(),
        max_line_size=_MAX_HEADER,
        max_field_size=_MAX_HEADER,
    )


def abandon_client_session(client_session: aiohttp.ClientSession) -> None:
    """Drop the aiohttp session of the parent in a forked process, without closing its connections.

    Closing them, as garbage collection would, deregisters them from the epoll object that both processes share: the
    parent would wait for its responses in vain.
    """
    if connector := client_session.connector:
        connector._closed = True  # noqa: SLF001 (there is no public way to keep it from closing its connections)
    client_session.detach()
