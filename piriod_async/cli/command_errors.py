"""Errors of a command as its end: a message, advice, and an exit code."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from piriod_async import PiriodError
from piriod_async.cli.messages import ERROR, CommandError, command_error, describe_os_error, join_nonempty, os_hint
from piriod_async.cli.signals import INTERRUPTED
from piriod_async.cli.streams import STANDARD_OUTPUT


@contextmanager
def command_errors(advice: Callable[[], str] = str) -> Iterator[None]:
    """Raise the errors of the block as `CommandError`. It is no error if `head` closes standard output.

    Args:
        advice: Returns the way out, which may be empty, once there is an error.

    Raises:
        CommandError: The block failed, or was interrupted.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise CommandError("interrupted", advice(), exit_code=INTERRUPTED) from None
    except PiriodError as error:
        raise command_error(error, advice()) from error
    except OSError as error:
        if isinstance(error, BrokenPipeError) and error.filename == STANDARD_OUTPUT:
            return
        raise CommandError(
            describe_os_error(error), join_nonempty(os_hint(error), advice()), exit_code=ERROR
        ) from error
