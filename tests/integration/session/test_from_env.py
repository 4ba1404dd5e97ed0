"""Sessions from environment variables."""

import re

import pytest

from piriod_async import ConfigurationError, PiriodSession
from tests.integration.session.conftest import VARIABLES

URL = "https://api.piriod.com/customers/"
LOCAL = "http://localhost:8000"


def settings_of(piriod):
    """Return what a session sends, and where."""
    headers = piriod._transport.auth_headers
    authorization, mode = str.__str__(headers["Authorization"].header()), headers["x-piriod-test-mode"]
    return authorization, piriod._workspace, mode, str(piriod._transport.url)


@pytest.mark.parametrize(
    ("variables", "settings"),
    [
        ({}, (None, "false", URL)),
        ({"WORKSPACE": "acc"}, ("acc", "false", URL)),
        ({"WORKSPACE": "", "TEST_MODE": "", "BASE_URL": ""}, (None, "false", URL)),
        ({"BASE_URL": f"{LOCAL}/v1"}, (None, "false", f"{LOCAL}/v1/customers/")),
        *(({"TEST_MODE": mode}, (None, "true", URL)) for mode in ("true", "True", "1", "yes", "YES", "on", "y", "t")),
        *(({"TEST_MODE": mode}, (None, "false", URL)) for mode in ("false", "False", "0", "no", "off", "n", "f")),
    ],
)
def test_variables(monkeypatch, variables, settings):
    """`from_env` reads each variable; one that is unset or empty leaves the default."""
    for name, value in {"TOKEN": "token", **variables}.items():
        monkeypatch.setenv(f"PIRIOD_{name}", value)
    assert settings_of(PiriodSession.from_env()) == ("Token token", *settings)


def test_line_ends(monkeypatch):
    """Line ends and blanks around a value do not count; a blank variable is not set."""
    for name, value in zip(VARIABLES, ("token\n", " acc\r\n", "on\n", f"{LOCAL}\n"), strict=True):
        monkeypatch.setenv(name, value)
    assert settings_of(PiriodSession.from_env()) == ("Token token", "acc", "true", f"{LOCAL}/customers/")
    for name in VARIABLES[1:]:
        monkeypatch.setenv(name, "\n")
    assert settings_of(PiriodSession.from_env()) == ("Token token", None, "false", URL)


def test_precedence(monkeypatch):
    """Arguments take precedence over variables."""
    for name, value in zip(VARIABLES, ("token", "acc", "true", LOCAL), strict=True):
        monkeypatch.setenv(name, value)
    piriod = PiriodSession.from_env(test_mode=False, base_url="https://a.com", concurrency=3, timeout=5)
    assert settings_of(piriod) == ("Token token", "acc", "false", "https://a.com/customers/")
    assert (piriod._transport.concurrency, piriod._transport.timeout) == (3, 5)
    assert settings_of(PiriodSession.from_env("acc_2")) == ("Token token", "acc_2", "true", f"{LOCAL}/customers/")
    with pytest.raises(ConfigurationError, match="workspace=''"):
        PiriodSession.from_env("")


def test_token(monkeypatch):
    """A token, or a function that returns it, takes precedence over a variable, which need not be set."""
    for variable in ("", "other"):
        monkeypatch.setenv("PIRIOD_TOKEN", variable)
        assert settings_of(PiriodSession.from_env(token="token")) == ("Token token", None, "false", URL)
        assert "function" in repr(PiriodSession.from_env(token=lambda: "token")._settings["token"])
    assert settings_of(PiriodSession.from_env(token=None)) == ("Token other", None, "false", URL)
    with pytest.raises(ConfigurationError, match="token=''"):
        PiriodSession.from_env(token="")


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({}, "PIRIOD_TOKEN is not set: expected an API token (from the Piriod dashboard). PIRIOD_WORKSPACE is not set"),
        ({"TOKEN": "\n"}, "PIRIOD_TOKEN is not set"),
        ({"WORKSPACE": "acc"}, "PIRIOD_TOKEN is not set: expected an API token (from the Piriod dashboard)"),
        ({"TOKEN": "Token abc"}, "token='********': expected the token alone, without the prefix 'Token'"),
        ({"TOKEN": "a b"}, "token='********': expected text of visible ASCII characters, without spaces"),
        ({"TOKEN": "token", "TEST_MODE": "maybe"}, "PIRIOD_TEST_MODE='maybe': expected true or false"),
        ({"TOKEN": "token", "WORKSPACE": "a b"}, "workspace='a b'"),
        ({"TOKEN": "token", "BASE_URL": "http://a.com"}, "base_url='http://a.com'"),
    ],
)
def test_invalid(monkeypatch, variables, message):
    """A variable that is missing or invalid is a `ConfigurationError`."""
    for name, value in variables.items():
        monkeypatch.setenv(f"PIRIOD_{name}", value)
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        PiriodSession.from_env()
