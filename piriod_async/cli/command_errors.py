"""Errors of a command as its end: a message, advice, and an exit code."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from piriod_async import PiriodError
from piriod_async.cli.messages import ERROR, CommandError, command_error, describe_os_error, join_nonempty, os_hint
from piriod_async.cli.signals import INTERRUPTED


@contextmanager
def command_errors(advice: Callable[[], str] = str) -> Iterator[None]:
    """Raise the errors of the block as `CommandError`. A reader that closes a pipe early, as `head` does, is no error.

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
    except BrokenPipeError:
        return
    except OSError as error:
        raise CommandError(
            describe_os_error(error), join_nonempty(os_hint(error), advice()), exit_code=ERROR
        ) from error
