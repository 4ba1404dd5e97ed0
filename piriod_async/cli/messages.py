"""Exit codes, error messages, and advice on what to do about an error."""

import re

import click

from piriod_async import (
    APIConnectionError,
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    DecodeError,
    FilterIgnoredError,
    IncompleteListError,
    PermissionDeniedError,
    PiriodError,
    QueryError,
    RateLimitError,
    ServerError,
)
from piriod_async.export import ExportError
from piriod_async.plain_text import sanitize_line

OK, ERROR, USAGE, INCOMPLETE, INTERRUPTED = 0, 1, 2, 3, 130

_HINTS: list[tuple[type[PiriodError], str]] = [
    (AuthenticationError, "check the token: creating a new one revokes the previous one"),
    (BadRequestError, "check the option named in the message"),
    (PermissionDeniedError, "check the workspace id, and that the token has access to it"),
    (RateLimitError, "try again later, or with a lower --concurrency"),
    (ServerError, "the server failed: try again later"),
    (APIConnectionError, "check the network, and PIRIOD_BASE_URL if it is set; then try again"),
    (FilterIgnoredError, "use --no-check-filters to accept the results as they are"),
    (IncompleteListError, "try again when the list changes less"),
    (ExportError, "leave the field out with --fields, or use another --format"),
    (APIStatusError, "use -v to show every attempt"),
]
_ARGUMENT = re.compile(r"(?:^|(?<=no later than ))(?!token)([a-z_]+)=")


class CommandError(click.ClickException):
    """Ends the command.

    Args:
        message: The problem, in one line.
        advice: The way out, in one line; may be empty.
        exit_code: Exit code of the process.
    """

    def __init__(self, message: str, advice: str = "", *, exit_code: int = ERROR) -> None:
        super().__init__(f"{message}\n{advice}".strip())
        self.exit_code = exit_code  # type: ignore[misc]  # click declares it per class


def print_error(message: str) -> None:
    """Print a message to standard error, prefixed with the program's name."""
    click.echo(f"piriod-async: {message}", err=True)


def exit_code(error: PiriodError) -> int:
    """Return the exit code for an error."""
    if isinstance(error, ConfigurationError | QueryError):
        return USAGE
    return INCOMPLETE if isinstance(error, IncompleteListError) else ERROR


def hint(error: PiriodError) -> str:
    """Return advice on an error; empty if its message is enough."""
    if isinstance(error, DecodeError):
        return "use --skip-invalid to leave such customers out" if error.path else ""
    return next((text for error_class, text in _HINTS if isinstance(error, error_class)), "")


def describe(error: PiriodError) -> str:
    """Return an error's message in one line, with an invalid argument named as its option (`--page-size`)."""
    message = sanitize_line(error)
    if not isinstance(error, ConfigurationError | QueryError | ExportError):
        return message
    return _ARGUMENT.sub(lambda argument: f"{option_name(argument[1])} ", message)


def option_name(parameter: str) -> str:
    """Return the option that sets a parameter: `--created-gte` for `created__gte`."""
    return f"--{parameter.replace('__', '-').replace('_', '-')}"


def join_nonempty(*texts: str) -> str:
    """Join the texts that are not empty with semicolons."""
    return "; ".join(filter(None, texts))
