"""The aiohttp session that we open when the caller passes none."""

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
