"""The proxy of the environment (`HTTPS_PROXY`, `NO_PROXY`)."""

from base64 import b64encode
from collections.abc import Mapping
from typing import Any
from urllib.request import getproxies, proxy_bypass

from yarl import URL

from piriod_async.errors import ConfigurationError
from piriod_async.transport.auth import Secret


def proxy_kwargs(url: URL) -> Mapping[str, Any]:
    """Return the keyword arguments that make an aiohttp request use the environment's proxy, with a secret login.

    aiohttp's `trust_env` would also read a netrc file, refuse our token if that has a default entry, and do both for
    every request. Plain HTTP is only allowed to this machine, so it needs no proxy.

    Raises:
        ConfigurationError: `HTTPS_PROXY` is not a URL.
    """
    kwargs = _read_environment(url)
    if kwargs is None:  # raised here, where no variable has the password
        raise ConfigurationError("HTTPS_PROXY: expected a URL such as http://proxy.example:3128")
    return kwargs


def _read_environment(url: URL) -> Mapping[str, Any] | None:
    """Return the keyword arguments, or None if `HTTPS_PROXY` is not a URL."""
    proxy_url = getproxies().get("https")
    if not proxy_url or url.scheme != "https" or proxy_bypass(url.host or ""):
        return {}
    try:
        proxy = URL(proxy_url)
        url_without_user = proxy.with_user(None)
    except ValueError:
        return None
    if not proxy.user:
        return {"proxy": url_without_user}
    login = b64encode(f"{proxy.user}:{proxy.password or ''}".encode()).decode()
    return {"proxy": url_without_user, "proxy_headers": {"Proxy-Authorization": Secret(login, scheme="Basic")}}
