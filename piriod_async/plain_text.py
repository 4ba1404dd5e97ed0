"""Text from a server or a caller, made fit for a message: one line of limited length that a terminal cannot obey."""

import re

_MAX_SHOWN = 200  # characters of a value
# anyone chooses names: no escape sequences, no line separators, no text that runs backwards
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def sanitize_line(text: object) -> str:
    """Return text that is safe to print on one line of a terminal.

    Each run of white space becomes a space, each control character U+FFFD.
    """
    return _UNPRINTABLE.sub("\ufffd", " ".join(str(text).split()))


def sanitize_lines(text: str) -> str:
    """Return text that is safe to print on a terminal. Its lines stay, and end with a line feed; a tab becomes a space.

    Each control character, and a carriage return within a line, becomes U+FFFD.
    """
    lines = (line.removesuffix("\r").replace("\t", " ") for line in text.split("\n"))
    return "\n".join(_UNPRINTABLE.sub("\ufffd", line) for line in lines)


def shorten(value: object, limit: int) -> str:
    """Return text of at most `limit` characters, on one line; a longer one loses its middle, as both ends explain."""
    text = str(value)
    if len(text) > limit:
        end = limit // 3
        text = f"{text[: limit - end - 1]}…{text[-end:]}"
    return sanitize_line(text)


def shown(value: object) -> str:
    """Return a value as an error message shows it, cut to 200 characters."""
    return shorten(repr(value), _MAX_SHOWN)
