"""Secrets that hide themselves, and the validation of tokens and workspace ids."""

import pytest

from piriod_async import ConfigurationError
from piriod_async.transport.auth import Secret, SecretStr, reveal_headers, validate_token, validate_workspace

TOKEN = "tk_0123456789abcdef"
EXPECTED = "expected text of visible ASCII characters, without spaces"


def test_secret_str():
    """A `SecretStr` equals its text, but no repr shows it."""
    secret = SecretStr(TOKEN)
    assert (secret, f"{secret}", len(secret)) == (TOKEN, TOKEN, len(TOKEN))
    assert repr(secret) == "'********'"
    assert TOKEN not in f"{secret!r} {[secret]} { ({'a': (secret,)}) }"
    assert repr(secret[:5]) == repr(secret[5]) == "'********'"
    assert secret[:5] == TOKEN[:5]


def test_secret():
    """A `Secret` is no text, and is revealed where it is sent."""
    secret = Secret(TOKEN, scheme="Token")
    assert not isinstance(secret, str)
    assert TOKEN not in f"{secret} {secret!r} {[secret]}"
    assert (secret.reveal(), secret.header(), Secret(secret).header()) == (TOKEN, f"Token {TOKEN}", TOKEN)
    assert reveal_headers({"A": secret, "B": "b"}) == {"A": f"Token {TOKEN}", "B": "b"}
    assert TOKEN not in repr(reveal_headers({"A": secret}))


@pytest.mark.parametrize(
    ("value", "given"),
    [(None, "None"), (b"tk_bytes", "a value of type bytes"), (7, "a value of type int"), ("", "''")],
)
def test_secret_of_other_types(value, given):
    """A value that is not text becomes the empty string; the message names its type, but does not show it."""
    secret = Secret(Secret(value), scheme="Token")
    assert secret.reveal() == ""
    with pytest.raises(ConfigurationError) as caught:
        validate_token(secret)
    assert str(caught.value).startswith(f"token={given}: expected an API token")


def test_valid():
    """Visible ASCII is returned as it is."""
    assert validate_token(Secret("!Az~")).reveal() == validate_workspace("!Az~") == "!Az~"


@pytest.mark.parametrize("value", ["", "a b", "a\n", "a\r\nX: y", "clave-ñ", "\x7f", "\x1f"])
def test_invalid(value):
    """Anything else is refused, and only the workspace is shown."""
    with pytest.raises(ConfigurationError) as caught:
        validate_token(Secret(value))
    shown = "token='********': expected" if value else "token='': expected an API token,"
    assert str(caught.value) == f"{shown} {EXPECTED.removeprefix('expected ')}"
    with pytest.raises(ConfigurationError) as caught:
        validate_workspace(value)
    assert str(caught.value) == f"workspace={value!r}: {EXPECTED}"


@pytest.mark.parametrize(
    ("value", "prefix"),
    [
        ("Token abc", "Token"),
        ("token abc", "token"),
        ("Bearer abc", "Bearer"),
        ("Token\tabc\n", "Token"),
        ("Token: abc", "Token"),
        ("Authorization: Token abc", "Authorization: Token"),
    ],
)
def test_token_with_a_scheme(value, prefix):
    """A token copied with the scheme of its header is refused with the way out; the token is not shown."""
    with pytest.raises(ConfigurationError) as caught:
        validate_token(Secret(value))
    assert str(caught.value) == f"token='********': expected the token alone, without the prefix {prefix!r}"


def test_token_that_begins_like_a_scheme():
    """A token may begin with the letters of a scheme."""
    for value in ("token_abc", "Tokenabc", "bearer-1"):
        assert validate_token(Secret(value)).reveal() == value


@pytest.mark.parametrize("value", [None, 7, b"acc"])
def test_workspace_of_other_types(value):
    """A workspace id is text."""
    with pytest.raises(ConfigurationError) as caught:
        validate_workspace(value)
    assert str(caught.value) == f"workspace={value!r}: {EXPECTED}"
