"""Secrets are taken out of errors, however they are escaped and wherever they are cut off."""

import html
import json
import string
import time
from types import SimpleNamespace
from urllib.parse import quote, quote_plus

import aiohttp
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from piriod_async import ServerError
from piriod_async.transport.auth import Secret
from piriod_async.transport.redaction import STARS, Redactor

ESCAPES = {
    "plain": str,
    "json": json.dumps,
    "json_slashes": lambda text: json.dumps(text).replace("/", r"\/"),
    "json_twice": lambda text: json.dumps(json.dumps(text)),
    "json_codes": lambda text: "".join(f"\\u{ord(character):04X}" for character in text),
    "repr": repr,
    "bytes": lambda text: repr(text.encode()),
    "url": lambda text: quote(text, safe=""),
    "url_lower": lambda text: "".join(f"%{ord(character):02x}" for character in text),
    "url_twice": lambda text: quote(quote(text, safe=""), safe=""),
    "form": quote_plus,
    "html": html.escape,
    "html_codes": lambda text: "".join(f"&#{ord(character)};" for character in text),
    "html_of_json": lambda text: html.escape(json.dumps(text)),
    "html_of_url": lambda text: html.escape(quote(text)),
}
# those that introduce an escape are found in plain text only
tokens = st.text(
    st.sampled_from([*string.ascii_letters, *string.digits, *"-._~+/=\"'<>:!$()"]), min_size=8, max_size=90
)


@pytest.mark.parametrize("escape", ESCAPES.values(), ids=ESCAPES)
@given(token=tokens)
@example(token="""tk_/+\"<'>=""")
@example(token="0123456789abcdef" * 5)
def test_escapes(escape, token):
    """A token is replaced in whichever form it is printed."""
    text = f"\x00{escape(token)}\x00{token}\x00"
    redacted = Redactor([Secret(token)]).text(text)
    assert token not in redacted
    assert redacted.count(STARS) == 2
    assert len(redacted) <= len(f"\x00{STARS}\x00{STARS}\x00" + 2 * "&quot;")  # and nothing of it is left


@pytest.mark.parametrize("token", [r"tk_\\a\"b\c%25%41&amp;", "%25%25%25%25%2525"])
def test_escape_characters(token):
    """A token that looks as if it were escaped is replaced in plain text."""
    assert Redactor([Secret(token)]).text(f"a {token} b {token}") == f"a {STARS} b {STARS}"


@given(token=tokens, length=st.integers(8, 90))
def test_cut_off(token, length):
    """The beginning of a token is replaced too: messages quote the beginning of a body."""
    assert Redactor([Secret(token)]).text(f"a\x00{token[:length]}").startswith(f"a\x00{STARS}")
    assert token[:length] not in Redactor([Secret(token)]).text(f"a\x00{token[:length]}")


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("Authorization: Token abc", f"Authorization: {STARS}"),
        ("{'authorization': 'Token  abc'}", f"{{'authorization': '{STARS}'}}"),
        ("token=Token%20abc&x=1", f"token={STARS}&x=1"),
        ("the alphabet abc", "the alphabet abc"),
    ],
)
def test_short(text, redacted):
    """A short token, which words contain, is replaced after its scheme."""
    assert Redactor([Secret("abc", scheme="Token")]).text(text) == redacted


def test_without_secrets():
    """Text without a secret is returned as it is, and so is any text if there is no secret."""
    text = "a" * 20
    for redactor in (Redactor([]), Redactor([Secret("tk_0123456789")]), Redactor([Secret(""), "plain header"])):
        assert redactor.text(text) is text


@pytest.mark.parametrize("text", ["\\", "\\x", "\\u00", "%", "%25", "&amp;", "&#0", "+", "tk_0123"])
def test_hostile_body(text):
    """Text that consists of beginnings of escapes takes time in proportion to its length."""
    start = time.process_time()
    for secret in (Secret("tk_0123456789abcdef"), Secret("abc", scheme="Token")):
        Redactor([secret]).text(f"Token {text * 100_000}")
    assert time.process_time() - start < 5  # CPU seconds; it is a fraction of one, or a minute


def test_other_class():
    """An attribute of another class becomes text if its repr has a secret, and else stays."""
    redactor = Redactor([Secret("tk_0123456789abcdef")])
    assert redactor.value(SimpleNamespace(echo="tk_0123456789abcdef")) == f"namespace(echo='{STARS}')"
    for value in (None, 7, SimpleNamespace(a=1), ValueError("tk_0123456789abcdef")):
        assert redactor.value(value) is value


def test_error():
    """An error and its causes keep type and message, without secrets, headers, logins and tracebacks."""
    token = "tk_0123456789abcdef"
    headers = CIMultiDictProxy(CIMultiDict({"Authorization": f"Token {token}"}))
    url = URL("http://me:hunter2@proxy.example")
    cause = aiohttp.ClientResponseError(aiohttp.RequestInfo(url, "GET", headers), (), message=f"bad {token}")
    cause.headers = headers
    error = ServerError(f"echo {token}", detail=token, errors={token: [token]}, request_id=token, body=token.encode())
    for each in (cause, error):
        try:
            raise each
        except (aiohttp.ClientError, ServerError):
            pass
    error.__cause__ = ValueError(token, cause)
    handled = LookupError(token)
    error.__context__ = cause.__context__ = handled
    assert Redactor([Secret(token)]).error(error, handled) is error
    for each in (error, error.__cause__, cause):
        assert each.__traceback__ is None
        assert not {token, "hunter2"} & set(f"{each} {each!r} {each.args} {vars(each)}".replace("'", " ").split())
        assert token not in f"{each} {each!r} {each.args} {vars(each)}"
    assert str(error) == f"echo {STARS}"
    assert (error.detail, error.errors, error.body) == (STARS, {STARS: [STARS]}, STARS.encode())
    assert handled.args == (token,)
    assert isinstance(cause, aiohttp.ClientResponseError)
    assert "hunter2" not in repr(cause)
