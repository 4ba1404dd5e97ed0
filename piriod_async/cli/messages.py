"""What goes wrong, in one or two lines that say what to do."""

import re

import click

from piriod_async import (
    APIConnectionError,
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    FilterIgnoredError,
    IncompleteListError,
    PermissionDeniedError,
    PiriodError,
    QueryError,
    RateLimitError,
    ServerError,
)
from piriod_async.export import ExportError

OK, ERROR, USAGE, INCOMPLETE, INTERRUPTED = 0, 1, 2, 3, 130

_HINTS: list[tuple[type[PiriodError], str]] = [
    (AuthenticationError, "check the token: a new one replaces the one before it"),
    (BadRequestError, "check the option that it names"),
    (PermissionDeniedError, "check the workspace's id, and that the token may read it"),
    (RateLimitError, "try again later, or with a lower --concurrency"),
    (ServerError, "the server's own failure: try again later"),
    (APIConnectionError, "check the network, and PIRIOD_BASE_URL if it is set; then try again"),
    (FilterIgnoredError, "--no-check-filters takes the answers as they are"),
    (IncompleteListError, "try again when the list moves less"),
    (ExportError, "CSV and JSON lines would hold it; or leave the field out, with --fields"),
    (APIStatusError, "-v shows every attempt"),
]
# a name may come from anybody: no escape sequences, no text that runs backwards
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_ARGUMENT = re.compile(r"(?:^|(?<=no later than ))(?!token)([a-z_]+)=")


class Failure(Exception):  # noqa: N818 (an end, with what is said of it)
    """Ends the command.

    Args:
        message: One or two lines.
        exit_code: What the process ends with.
    """

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def say(message: str) -> None:
    """Write a message to standard error, as ours."""
    click.echo(f"piriod-async: {message}", err=True)


def exit_code(error: PiriodError) -> int:
    """Return what the process ends with after an error."""
    if isinstance(error, ConfigurationError | QueryError):
        return USAGE
    return INCOMPLETE if isinstance(error, IncompleteListError) else ERROR


def hint(error: PiriodError) -> str:
    """Return what to do about an error; empty if it says so itself."""
    return next((text for kind, text in _HINTS if isinstance(error, kind)), "")


def told(error: PiriodError) -> str:
    """Return what an error says; of an argument that is refused, by its option's name."""
    text = in_a_line(error)
    if not isinstance(error, ConfigurationError | QueryError):
        return text
    return _ARGUMENT.sub(lambda found: f"--{found[1].replace('__', '-').replace('_', '-')} ", text)


def joined(*texts: str) -> str:
    """Return those texts that say something, as one."""
    return "; ".join(filter(None, texts))


def in_a_line(text: object) -> str:
    """Return a text that is safe on a terminal: a blank for every run of white space, no control characters."""
    return _UNPRINTABLE.sub("\ufffd", " ".join(str(text).split()))
