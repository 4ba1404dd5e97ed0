"""The base URL: validation, and the URL of the customers endpoint."""

from contextlib import suppress
from ipaddress import ip_address
from typing import Any

from yarl import URL

from piriod_async.errors import ConfigurationError

DEFAULT_BASE_URL = "https://api.piriod.com"


def customers_url(base_url: str) -> URL:
    """Return the URL of the customers endpoint.

    Raises:
        ConfigurationError: The value is not a URL, or sending the token there would not be safe.
    """
    try:
        url = URL(base_url)
        is_safe = url.scheme == "https" or (url.scheme == "http" and _is_loopback(url.host or ""))
        if is_safe and url.host and not (url.query_string or url.fragment or "@" in url.raw_authority):
            return url / "customers/"
    except (TypeError, ValueError):
        pass
    redacted = str(base_url).rpartition("@")[2] if "@" in str(base_url) else base_url  # it may contain a password
    raise ConfigurationError(
        f"base_url={redacted!r}: expected a URL such as {DEFAULT_BASE_URL!r}, https unless it is on this machine, "
        "without user, query or fragment"
    )


def hide_login(base_url: Any) -> Any:
    """Return a base URL without its user and password. It is still refused, but no traceback shows them."""
    text = str(base_url)
    with suppress(TypeError, ValueError):
        url = URL(base_url)
        if url.host and "@" not in url.raw_authority:
            return base_url
    return f"@{text.rpartition('@')[2]}" if "@" in text else base_url


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
