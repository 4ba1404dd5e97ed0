"""Text in messages: one line, no control characters, limited length."""

import pytest

from piriod_async.plain_text import sanitize_line, shorten


@pytest.mark.parametrize("character", ["\x00", "\x07", "\x1b", "\x7f", "\x9b", "\u200f", "\u202e", "\u2066", "\ud800"])
def test_control_characters(character: str) -> None:
    """C0, C1, bidirectional controls and lone surrogates are replaced."""
    assert sanitize_line(f"a{character}b") == "a\ufffdb"


@pytest.mark.parametrize("separator", ["\n", "\r\n", "\t", "\x0b", "\x85", "\u2028", "\u2029"])
def test_line_separators(separator: str) -> None:
    """Line separators become spaces."""
    assert sanitize_line(f"a{separator}b") == "a b"


def test_shorten() -> None:
    """Long text loses its middle, and what fits stays as it is."""
    assert shorten("ñ" * 30, 30) == "ñ" * 30
    shortened = shorten("a" * 1_000_000 + "z" * 10, 30)
    assert shortened == "a" * 19 + "…" + "z" * 10
    assert shorten(shortened, 30) == shortened
