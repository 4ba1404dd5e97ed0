"""What people see: a table, progress, errors, on a terminal of 80 columns."""

import asyncio
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios

import pyte
import pytest
from rich.cells import cell_len

from piriod_async.testing.mock_server import MockServer
from tests.support.command import env_of, rows_of, started

ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
ROWS = 3_000  # so that nothing scrolls away
NAMES = [
    "Ñandú y Cía. Ltda.",
    "株式会社ピリオド東京支店営業部株式会社ピリオド東京支店営業部",
    "Café ☕ del Ñuble 💳💳💳💳💳💳💳💳💳💳💳💳",
    "Evil \x1b[31mRed\x07\u202e\nname",
]


class Screen:
    """A terminal that a command runs on."""

    def __init__(self, columns=80):
        self._columns = columns
        self.seen = ""
        self._master, self._slave = pty.openpty()
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))

    async def run(self, *arguments, env, when=None, stop=None, **pipes):
        """Run the command to its end, and return its exit code and what it wrote to a pipe.

        Args:
            arguments: What stands behind the program's name.
            env: Its environment.
            when: Pairs of a text to wait for, and what to type then.
            stop: A text to wait for, and to send SIGINT then.
            pipes: Streams that are not the terminal.
        """
        streams = dict.fromkeys(("stdin", "stdout", "stderr"), self._slave) | pipes
        env = {"TERM": "xterm-256color", "COLUMNS": "", "LINES": "", **env}
        process = await started(*arguments, env=env, **streams, start_new_session=True)
        os.close(self._slave)
        reading = asyncio.to_thread(self._read, dict(when or {}), stop, process)
        (out, _), _ = await asyncio.gather(process.communicate(), reading)
        os.close(self._master)
        return process.returncode, (out or b"").decode()

    def _read(self, answers, stop, process):
        data = b""
        while True:
            try:
                data += os.read(self._master, 65_536)
            except OSError:  # all who had it open have closed it
                return
            self.seen = data.decode(errors="replace")
            for text in [text for text in answers if text in self.seen]:
                os.write(self._master, answers.pop(text))
            if stop and stop in self.seen:
                process.send_signal(signal.SIGINT)
                stop = None

    @property
    def lines(self):
        """What is left on the screen."""
        screen = pyte.Screen(self._columns, ROWS)
        pyte.Stream(screen).feed(self.seen)
        return "\n".join(line.rstrip() for line in screen.display).rstrip().splitlines()


async def test_a_table_fits_the_terminal():
    async with MockServer(150) as server:
        for name in NAMES:
            server.add(name=name, tax_id=None)
        screen = Screen()
        code, _ = await screen.run("customers", "--ordering=-created", env=env_of(server))
        expected = [row["id"] for row in server.customers()][::-1]
    header, *rows = screen.lines
    assert code == 0
    assert [row.split()[0] for row in rows] == expected
    assert max(map(cell_len, rows)) <= 80
    at = cell_len(header[: header.index("country_id")])
    for row in rows:
        country = re.search(r"  (CL|MX|CO|PE)  ", row)
        assert cell_len(row[: country.start() + 2]) == at
    first = dict(zip(NAMES[::-1], rows, strict=False))
    assert f"  {NAMES[0][:12]}" in first[NAMES[0]]
    assert "…" in first[NAMES[1]]
    assert "…" in first[NAMES[2]]
    assert "Evil \ufffd[31mRed\ufffd" in first[NAMES[3]]
    assert "\x07" not in screen.seen
    assert "\u202e" not in screen.seen


async def test_all_fields_on_a_narrow_terminal():
    async with MockServer(5) as server:
        screen = Screen(columns=40)
        await screen.run("customers", env=env_of(server))
    _, *rows = screen.lines
    assert len(rows) == 5
    assert max(map(cell_len, rows)) <= 40


async def test_progress_while_it_runs_and_then_no_more(tmp_path):
    file = tmp_path / "a.csv"
    screen = Screen()
    async with MockServer(2_500) as server:
        server.fail(status=429, retry_after=1, page=3)
        code, out = await screen.run("customers", "-o", file, env=env_of(server), stdout=subprocess.PIPE)
    shown = ANSI.sub("", screen.seen)
    assert (code, out) == (0, "")
    assert re.search(r"[\d,]+ of 2,500 customers", shown)
    assert re.search(r"[\d,]+/s · \d+ requests · [01] retr(y|ies)", shown)
    assert re.search(r"· 1 retry", shown)
    assert re.search(r"waiting [12] s: rate limited", shown)
    progress = [line for line in shown.replace("\r", "\n").splitlines() if "━" in line or "·" in line]
    assert max(map(cell_len, progress)) <= 80
    assert "".join(screen.lines) == f"piriod-async: 2,500 customers in {file}"
    assert len(rows_of(file)) == 2_500


async def test_progress_of_several_workspaces_with_a_log_above(tmp_path):
    screen = Screen()
    async with MockServer({"acc_1": 300, "acc_2": 300}, latency=0.01) as server:
        options = ("-v", "-o", tmp_path / "a.csv", "--workspace", "acc_1", "--workspace", "acc_2", "--limit", "450")
        code, _ = await screen.run("customers", *options, env=env_of(server))
    shown = ANSI.sub("", screen.seen)
    assert code == 0
    assert "acc_1 (1 of 2)" in shown
    assert "acc_2 (2 of 2)" in shown
    assert re.search(r"150 of 150 customers", shown)
    assert re.search(r"GET /customers/ page \d of acc_2: 200 at attempt 1", shown)


async def test_an_interrupt_on_a_terminal(tmp_path):
    screen = Screen()
    async with MockServer(2_500, latency=0.05) as server:
        command = ("customers", "-o", tmp_path / "a.jsonl")
        code, _ = await screen.run(*command, env=env_of(server), stop="00 of 2,500 customers")
    assert code == 130
    assert "piriod-async: interrupted" in screen.lines
    assert "".join(screen.lines).endswith("add --resume to go on from there")
    assert "Traceback" not in screen.seen


async def test_rows_and_progress_share_the_terminal():
    screen = Screen()
    async with MockServer(1_500, latency=0.02) as server:
        code, _ = await screen.run("customers", "--format", "jsonl", "--fields", "id", env=env_of(server))
        expected = [f'{{"id":"{row["id"]}"}}' for row in server.customers()]
    assert code == 0
    assert screen.lines == expected
    assert "of 1,500 customers" in ANSI.sub("", screen.seen)


@pytest.mark.parametrize("env", [{"TERM": "dumb"}, {}])
async def test_no_progress_where_it_would_be_rubbish(env):
    screen = Screen()
    pipes = {} if env else {"stderr": subprocess.PIPE}
    async with MockServer(1_500, latency=0.01) as server:
        command = ("customers", "--format", "csv", "--fields", "id")
        code, _ = await screen.run(*command, env=env_of(server) | env | {"FORCE_COLOR": "1"}, **pipes)
    assert code == 0
    assert "customers" not in screen.seen
    assert "\x1b" not in screen.seen


async def test_a_token_is_asked_for_and_not_shown():
    screen = Screen()
    async with MockServer(3) as server:
        env = env_of(server, PIRIOD_TOKEN="")
        when = {"Piriod API token: ": f"{server.token}\n".encode()}
        code, _ = await screen.run("customers", "--format", "table", env=env, when=when)
    assert code == 0
    assert screen.seen.count("cus_") == 3
    assert server.token not in screen.seen


async def test_nobody_answers_for_the_token():
    screen = Screen()
    env = {"PIRIOD_WORKSPACE": "acc_1"}
    code, _ = await screen.run("customers", env=env, when={"Piriod API token: ": b"\x04"})
    assert code == 130
    assert "Traceback" not in screen.seen
