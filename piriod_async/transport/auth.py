"""What opens the API: a token, a workspace, an address that is safe to send them to."""

import re
from ipaddress import ip_address
from typing import Self

from yarl import URL

from piriod_async.errors import ConfigurationError

DEFAULT_BASE_URL = "https://api.piriod.com"
_PRINTABLE = re.compile(r"[\x21-\x7e]+")  # in a header, anything else could break it or smuggle in another
_VISIBLE = "text of visible ASCII characters, without spaces"


class Secret(str):
    """Text that does not show itself: a repr, and so a traceback with locals, has only its stars."""

    __slots__ = ()

    def __new__(cls, value: object) -> Self:
        """Take text; anything else becomes empty, which no token is."""
        return super().__new__(cls, value if isinstance(value, str) else "")

    def __repr__(self) -> str:
        return "'********'"


def validate_token(token: Secret) -> None:
    """Refuse a token that no header can carry.

    Raises:
        ConfigurationError: It is none.
    """
    if not _PRINTABLE.fullmatch(token):
        raise ConfigurationError(f"token={token!r}: expected {_VISIBLE}")


def workspace_id(value: object) -> str:
    """Return a workspace's id that can be sent.

    Raises:
        ConfigurationError: It is none.
    """
    if not isinstance(value, str) or not _PRINTABLE.fullmatch(value):
        raise ConfigurationError(f"workspace={value!r}: expected {_VISIBLE}")
    return value


def customers_url(base_url: str) -> URL:
    """Return the address of the customers below a base URL.

    Raises:
        ConfigurationError: It is no URL, or none that is safe to send the token to.
    """
    try:
        url = URL(base_url)
        safe = url.scheme == "https" or (url.scheme == "http" and _is_loopback(url.host or ""))
        if safe and url.host and not (url.query_string or url.fragment or "@" in url.raw_authority):
            return url / "customers/"
    except (TypeError, ValueError):
        pass
    shown = str(base_url).rpartition("@")[2] if "@" in str(base_url) else base_url  # no password
    raise ConfigurationError(
        f"base_url={shown!r}: expected an address such as {DEFAULT_BASE_URL!r}, https unless it is on this machine, "
        "without user, query or fragment"
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
