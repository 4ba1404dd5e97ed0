"""Arguments of `PiriodSession`, and its repr."""

import math
import re

import aiohttp
import pytest

from piriod_async import ConfigurationError, PiriodSession, RetryPolicy

ASCII = "expected text of visible ASCII characters, without spaces"
POSITIVE_INT = "expected a whole number, 1 or more"
SECONDS = "expected a number of seconds above 0"


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("workspace", ("", "acc\n", 7), ASCII),
        ("test_mode", (None, 1, "true"), "expected True or False"),
        ("concurrency", (0, -1, 1.0, "8", True, None), POSITIVE_INT),
        ("max_page_bytes", (0, 1.5, None, True), POSITIVE_INT),
        ("timeout", (0, -1, math.inf, math.nan, "30", None, True), SECONDS),
        ("retry", (None, 3, RetryPolicy), "expected a RetryPolicy"),
        ("client_session", ("mine", aiohttp.ClientSession), "expected an aiohttp.ClientSession"),
    ],
)
def test_invalid(name, values, message):
    """An invalid argument is a `ConfigurationError` that shows its value."""
    for value in values:
        with pytest.raises(ConfigurationError) as caught:
            PiriodSession(**{"token": "token", name: value})
        assert isinstance(caught.value, ValueError)
        assert str(caught.value) == f"{name}={value!r}: {message}"
        assert caught.value.attempts == 0
        assert not caught.value.retryable


@pytest.mark.parametrize("token", ["", "a\r\nX: y"])  # test_auth has more
def test_invalid_token(token):
    """An invalid token is a `ConfigurationError` that does not show it, unless it is empty."""
    with pytest.raises(ConfigurationError) as caught:
        PiriodSession(token)
    assert isinstance(caught.value, ValueError)
    shown = "token='********': expected" if token else "token='': expected an API token,"
    assert str(caught.value) == f"{shown} {ASCII.removeprefix('expected ')}"
    assert caught.value.attempts == 0
    assert not caught.value.retryable


@pytest.mark.parametrize(("token", "given"), [(None, "None"), (b"tk_secret", "a value of type bytes")])
def test_token_of_another_type(token, given):
    """A token that is no text is named by its type, wherever it is passed."""
    expected = f"token={given}: expected an API token as str, or a function that returns one"
    for make in (PiriodSession, lambda token: PiriodSession("tk").with_options(token=token)):
        with pytest.raises(ConfigurationError) as caught:
            make(token)
        assert str(caught.value) == expected


def test_workspace_required():
    """A listing needs a workspace, from the session or from `customers()`."""
    piriod = PiriodSession("token")
    with pytest.raises(ConfigurationError, match="workspace=None: expected a workspace id"):
        piriod.customers()
    with pytest.raises(ConfigurationError, match=re.escape(f"workspace='': {ASCII}")):
        piriod.customers(workspace="")
    assert piriod.customers(workspace="acc").workspace == "acc"


def test_repr():
    """The repr has the base URL, the workspace and the mode, and no token."""
    assert repr(PiriodSession("token")) == "<PiriodSession https://api.piriod.com workspace=None>"
    piriod = PiriodSession("token", "acc", base_url="http://localhost:8000/v1", test_mode=True)
    assert repr(piriod) == "<PiriodSession http://localhost:8000/v1 workspace='acc', test_mode=True>"
