"""Exit codes, error messages, and advice on what to do about an error."""

import errno
import re
from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING

import click

from piriod_async.cli.streams import StandardError
from piriod_async.errors import (
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
from piriod_async.export.fields import ExportError
from piriod_async.plain_text import shorten

if TYPE_CHECKING:
    from piriod_async import InvalidRecord

OK, ERROR, USAGE, INCOMPLETE, TOO_MANY_REMOVED = 0, 1, 2, 3, 4
MAX_EXAMPLES = 3  # records that cannot be decoded, in a message
_MAX_LINE = 1_000  # characters

_HINTS: list[tuple[type[PiriodError], str]] = [
    (AuthenticationError, "check the token: was it replaced by a newer one? A user has only one"),
    (BadRequestError, "check the option named in the message"),
    (PermissionDeniedError, "check the workspace id, and that the token has access to it"),
    (RateLimitError, "try again later, or with a lower --concurrency"),
    (ServerError, "the server failed: try again later"),
    (APIConnectionError, "check the network, and PIRIOD_BASE_URL if it is set; then try again"),
    (FilterIgnoredError, "use --no-check-filters to accept the results as they are"),
    (ExportError, "leave the field out with --fields, or use another --format"),
    (APIStatusError, "use -v to show every attempt"),
]
_OS_HINTS = [
    ({errno.EACCES, errno.EPERM, errno.EROFS}, "choose a file in a folder that you may write to"),
    ({errno.ENOSPC, errno.EDQUOT}, "free some space, or choose a file on another disk"),
    ({errno.EFBIG}, "raise the limit of the size of files (ulimit -f)"),
]
_OPTIONS = {  # by the arguments that messages advise
    "ordering=None": "--ordering ''",
    'ordering="created"': "--ordering created",
    "check_filters=False": "--no-check-filters",
    "accept_removed=": "--accept-removed ",
    ": since=": ": --since ",
    "`across`": "--workspaces-file",
}
_ARGUMENT = re.compile(r"(?:^|(?<=no later than ))(?!token)([a-z_]+)=")


class CommandError(click.ClickException):
    """Ends the command.

    Args:
        message: The problem.
        advice: The way out; may be empty.
        exit_code: Exit code of the process.
    """

    def __init__(self, message: str, advice: str = "", *, exit_code: int = ERROR) -> None:
        super().__init__(message)
        self.advice = advice
        self.exit_code = exit_code  # type: ignore[misc]  # click declares it per class


def command_error(error: PiriodError, more_advice: str = "") -> CommandError:
    """Return the end of the command for an error of the library, with its advice and exit code."""
    return CommandError(describe(error), join_nonempty(hint(error), more_advice), exit_code=exit_code(error))


def print_error(message: str, advice: str = "") -> None:
    """Print a message to standard error, prefixed with the program's name, and advice on a line of its own."""
    lines = [to_line(f"piriod-async: {message}"), *filter(None, [to_line(advice)])]
    print(*lines, sep="\n", file=StandardError(), flush=True)


def to_line(text: object) -> str:
    """Return text for one line of a terminal, without control characters and of limited length."""
    return shorten(str(text), _MAX_LINE)


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
    """Return an error's message in one line, with arguments named as their options (`--page-size`)."""
    message = str(error)
    for argument, option in _OPTIONS.items():
        message = message.replace(argument, option)
    if isinstance(error, ConfigurationError | QueryError | ExportError):
        message = _ARGUMENT.sub(lambda argument: f"{option_name(argument[1])} ", message)
    return to_line(message)


def describe_invalid(outcome: str, total: int, examples: Iterable["InvalidRecord"]) -> str:
    """Return what became of records that cannot be decoded, and the first of them; empty for a total of 0."""
    if not total:
        return ""
    lines = [to_line(record) for record in islice(examples, MAX_EXAMPLES)]
    more = [f"{total - len(lines):,} more"] if total > len(lines) else []
    return f"customers {outcome} because they cannot be decoded: {total:,} ({'; '.join(lines + more)})"


def describe_os_error(error: OSError) -> str:
    """Return the message of an error of the system without its number, after the (new) name of the file."""
    return ": ".join(str(part) for part in (error.filename2 or error.filename, error.strerror or error) if part)


def os_hint(error: OSError) -> str:
    """Return advice on an error of the system; may be empty."""
    return next((text for codes, text in _OS_HINTS if error.errno in codes), "")


def option_name(parameter: str) -> str:
    """Return the option that sets a parameter: `--created-gte` for `created__gte`."""
    return f"--{parameter.replace('__', '-').replace('_', '-')}"


def join_nonempty(*texts: str) -> str:
    """Join the texts that are not empty with semicolons."""
    return "; ".join(filter(None, texts))
