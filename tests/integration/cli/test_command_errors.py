"""How errors end a command: all commands have one ladder."""

import errno

import pytest

from piriod_async import ConfigurationError, PiriodError
from piriod_async.cli.command_errors import command_errors
from piriod_async.cli.messages import CommandError
from piriod_async.cli.streams import STANDARD_OUTPUT


@pytest.mark.parametrize(
    ("error", "code", "message", "advice"),
    [
        (KeyboardInterrupt(), 130, "interrupted", "go on"),
        (PiriodError("wrong"), 1, "wrong", "go on"),
        (ConfigurationError("timeout=0: expected more"), 2, "--timeout 0: expected more", "go on"),
        (OSError(errno.ENOENT, "No such file", "a.csv"), 1, "a.csv: No such file", "go on"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 1, "Broken pipe", "go on"),  # a scheduler that went away
    ],
)
def test_errors(error, code, message, advice):
    """Each has its message, the advice and the exit code."""
    with pytest.raises(CommandError) as caught, command_errors(lambda: "go on"):
        raise error
    assert (caught.value.exit_code, caught.value.message, caught.value.advice) == (code, message, advice)


def test_closed_pipe():
    """A reader of standard output that leaves early is no error."""
    with command_errors():
        raise BrokenPipeError(errno.EPIPE, "Broken pipe", STANDARD_OUTPUT)
