"""Standard input, output and error: closed, no longer read, or of an encoding without our characters."""

import io
import os
import stat
import sys
from typing import Any, TextIO

from piriod_async.export.write_all import write_all_blocking

STANDARD_OUTPUT = "standard output"
"""Names it in errors."""


def open_closed_streams() -> None:
    """Open the null device in place of a closed standard input or error, as cron and systemd may leave them.

    Otherwise the next file to be opened, which may be the export, gets the descriptor of standard error.
    """
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115, PTH123 (until the process ends)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def write_stdout(data: bytes) -> None:
    """Write UTF-8 to standard output, or to a terminal of another encoding what that has of it.

    Raises:
        OSError: It cannot be written; later output is discarded.
    """
    if sys.stdout.isatty():
        data = data.decode(errors="replace").encode(sys.stdout.encoding, errors="replace")
    try:
        write_all_blocking(sys.stdout.buffer, data)  # with PYTHONUNBUFFERED, it may take a part
        sys.stdout.buffer.flush()
    except OSError as error:
        _discard(sys.stdout)  # the rest must not be flushed at exit
        error.filename = STANDARD_OUTPUT
        raise


def is_pipe(stream: TextIO) -> bool:
    """Return whether another program reads the stream, which may write to the same terminal, as `less` does."""
    try:
        mode = os.fstat(stream.fileno()).st_mode
    except (OSError, ValueError):  # not a file
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


class StandardError:
    """Standard error, as a file: once it cannot be written, its text is discarded, and nothing fails because of it."""

    def write(self, text: str) -> int:
        """Write text, and return its length."""
        try:
            sys.stderr.write(text)
        except OSError:
            _discard(sys.stderr)
        return len(text)

    def flush(self) -> None:
        """Write what is buffered."""
        try:
            sys.stderr.flush()
        except OSError:
            _discard(sys.stderr)

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)


def _discard(stream: TextIO) -> None:
    """Send to the null device what a stream has buffered and what is written to it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
