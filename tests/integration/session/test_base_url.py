"""Base URLs: https, or http to this machine."""

import pytest

from piriod_async import ConfigurationError, PiriodSession

EXPECTED = (
    "expected a URL such as 'https://api.piriod.com', https unless it is on this machine, "
    "without user, query or fragment"
)


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        ("https://api.piriod.com", "https://api.piriod.com/customers/"),
        ("https://api.piriod.com/", "https://api.piriod.com/customers/"),
        ("HTTPS://API.PIRIOD.COM", "https://api.piriod.com/customers/"),
        ("https://api.piriod.com:8443", "https://api.piriod.com:8443/customers/"),
        ("https://proxy.example/piriod/v1", "https://proxy.example/piriod/v1/customers/"),
        ("https://proxy.example/piriod/v1/", "https://proxy.example/piriod/v1/customers/"),
        ("https://proxy.example/pi%20riod", "https://proxy.example/pi%20riod/customers/"),
        ("http://localhost:8000", "http://localhost:8000/customers/"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/customers/"),
        ("http://127.8.9.1", "http://127.8.9.1/customers/"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1/customers/"),
    ],
)
def test_valid(base_url, url):
    """Customers are listed below the base URL, and its path is kept."""
    assert str(PiriodSession("token", base_url=base_url)._transport.url) == url


def check_invalid(base_url, redacted):
    with pytest.raises(ConfigurationError) as caught:
        PiriodSession("token", base_url=base_url)
    assert isinstance(caught.value, ValueError)
    assert str(caught.value) == f"base_url={redacted!r}: {EXPECTED}"
    assert "hunter2" not in repr(caught.value)


@pytest.mark.parametrize("base_url", ["", "api.piriod.com", "https://", "ftp://api.piriod.com", "//a"])
def test_without_scheme_or_host(base_url):
    """A base URL has a scheme, https or http, and a host."""
    check_invalid(base_url, base_url)


@pytest.mark.parametrize("host", ["api.piriod.com", "10.0.0.1", "[::2]", "localhost.example.com", "0.0.0.0"])
def test_http_to_other_machines(host):
    """The token is not sent to another machine in plain text."""
    check_invalid(f"http://{host}", f"http://{host}")


@pytest.mark.parametrize("base_url", ["https://a.com?x=1", "https://a.com/#top"])
def test_query_and_fragment(base_url):
    """A base URL has no query and no fragment."""
    check_invalid(base_url, base_url)


@pytest.mark.parametrize("base_url", ["https://[::1", "https://a.com:port", None, 7, b"https://a.com"])
def test_malformed(base_url):
    """A value that yarl cannot parse is refused with the same message."""
    check_invalid(base_url, base_url)


@pytest.mark.parametrize(
    ("base_url", "redacted"),
    [
        ("https://user:hunter2@a.com", "a.com"),
        ("https://user@a.com/v1", "a.com/v1"),
        ("https://:@a.com", "a.com"),
        ("http://user:hunter2@localhost", "localhost"),
        ("https://user:hunter2@a.com:port", "a.com:port"),
        ("https://user:hunter2@[::1", "[::1"),
        ("https://user:hunter2@also@a.com", "a.com"),
    ],
)
def test_user(base_url, redacted):
    """A base URL has no user, and the message does not show a password."""
    check_invalid(base_url, redacted)
