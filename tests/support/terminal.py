"""A pseudo-terminal to run the command on."""

import asyncio
import fcntl
import os
import pty
import re
import signal
import struct
import termios

import pyte

from tests.support.command import start_process

ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
ROWS = 3_000  # so that nothing scrolls away


class Terminal:
    """A pseudo-terminal to run the command on."""

    def __init__(self, columns=80):
        self._columns = columns
        self.data, self.output = b"", ""
        self._master, self._slave = pty.openpty()
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))

    async def run(self, *arguments, env, when=None, stop=None, signal_number=signal.SIGINT, **pipes):
        """Run the command, and return its exit code and what it wrote to a pipe.

        Args:
            arguments: Command-line arguments.
            env: Environment variables.
            when: Input to type, by the text to wait for.
            stop: The text after which to send a signal.
            signal_number: That signal.
            pipes: Streams that are not the terminal.
        """
        streams = dict.fromkeys(("stdin", "stdout", "stderr"), self._slave) | pipes
        env = {"TERM": "xterm-256color", "COLUMNS": "", "LINES": "", **env}
        process = await start_process(*arguments, env=env, **streams, start_new_session=True)
        os.close(self._slave)
        reading = asyncio.to_thread(self._read, dict(when or {}), stop, signal_number, process)
        (out, _), _ = await asyncio.gather(process.communicate(), reading)
        os.close(self._master)
        return process.returncode, (out or b"").decode()

    def _read(self, answers, stop, signal_number, process):
        while True:
            try:
                self.data += os.read(self._master, 65_536)
            except OSError:  # every process has closed it
                return
            self.output = self.data.decode(errors="replace")
            for text in [text for text in answers if text in self.output]:
                os.write(self._master, answers.pop(text))
            if stop and stop in self.output:
                process.send_signal(signal_number)
                stop = None

    @property
    def lines(self):
        """The text on the screen at the end."""
        screen = pyte.Screen(self._columns, ROWS)
        pyte.Stream(screen).feed(self.output)
        return "\n".join(line.rstrip() for line in screen.display).rstrip().splitlines()
