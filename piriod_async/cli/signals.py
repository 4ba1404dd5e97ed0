"""SIGTERM and SIGHUP end the command as Ctrl-C does: what is written is kept, and the cursor is shown again."""

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType

INTERRUPTED = 130
"""The exit code after Ctrl-C."""

_NAMES = ("SIGTERM", "SIGHUP", "SIGBREAK")  # SIGHUP not on Windows, SIGBREAK only there


class Interruption:
    """The signal that interrupted the command.

    Attributes:
        number: Its number; that of Ctrl-C unless another one arrived.
    """

    def __init__(self) -> None:
        self.number: int = signal.SIGINT

    @property
    def exit_code(self) -> int:
        """The exit code that shells give a process which a signal ended."""
        return 128 + self.number

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal as Ctrl-C: Python raises `KeyboardInterrupt`, asyncio cancels its main task."""
        self.number = number
        interrupt = signal.getsignal(signal.SIGINT)
        if callable(interrupt):
            interrupt(signal.SIGINT, frame)
        else:
            signal.default_int_handler(signal.SIGINT, frame)


@contextmanager
def handle_signals() -> Iterator[Interruption]:
    """Handle the signals inside the block, except those that the parent wants ignored, as `nohup` does.

    Without a handler, process 1 of a container ignores SIGTERM.
    """
    interruption = Interruption()
    with ExitStack() as stack:
        if threading.current_thread() is threading.main_thread():
            if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and hasattr(signal, "pthread_sigmask"):
                # a background job of a shell script: Ctrl-C is not for it, but asyncio must have its handler
                stack.callback(signal.pthread_sigmask, signal.SIG_SETMASK, signal.pthread_sigmask(signal.SIG_BLOCK, ()))
                signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
                stack.callback(signal.signal, signal.SIGINT, signal.signal(signal.SIGINT, signal.default_int_handler))
            for name in _NAMES:
                number = getattr(signal, name, None)
                if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                    stack.callback(signal.signal, number, signal.signal(number, interruption))
        yield interruption
