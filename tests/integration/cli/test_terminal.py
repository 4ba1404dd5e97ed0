"""A terminal of 80 columns: the table, the progress, the prompt for a token."""

import re
import subprocess

import pytest
from rich.cells import cell_len

from piriod_async.testing.mock_server import MockServer
from tests.support.command import env_of, read_rows
from tests.support.terminal import ANSI, Terminal

NAMES = [
    "Ñandú y Cía. Ltda.",
    "株式会社ピリオド東京支店営業部株式会社ピリオド東京支店営業部",
    "Café ☕ del Ñuble 💳💳💳💳💳💳💳💳💳💳💳💳",
    "Evil \x1b[31mRed\x07\u202e\nname",
]


async def test_table():
    """The table fits the terminal: ids complete, columns aligned, no control characters."""
    async with MockServer(150) as server:
        for name in NAMES:
            server.add(name=name, tax_id=None)
        terminal = Terminal()
        code, _ = await terminal.run("customers", "--ordering=-created", env=env_of(server))
        expected = [row["id"] for row in server.customers()][::-1]
    header, *rows, last = terminal.lines
    assert (code, last) == (0, "154 customers")
    assert [row.split()[0] for row in rows] == expected
    assert max(map(cell_len, rows)) <= 80
    column = cell_len(header[: header.index("co…")])
    for row in rows:
        country = re.search(r" (CL|MX|CO|PE)  ", row)
        assert cell_len(row[: country.start() + 1]) == column
    first = dict(zip(NAMES[::-1], rows, strict=False))
    assert f" {NAMES[0][:12]}" in first[NAMES[0]]
    assert "…" in first[NAMES[1]]
    assert "…" in first[NAMES[2]]
    assert "Evil \ufffd[31mRed\ufffd" in first[NAMES[3]]
    assert "\x07" not in terminal.output
    assert "\u202e" not in terminal.output


async def test_narrow_terminal():
    """Columns shrink to a terminal of 40 columns."""
    async with MockServer(5) as server:
        terminal = Terminal(columns=40)
        await terminal.run("customers", env=env_of(server))
    _, *rows, last = terminal.lines
    assert (len(rows), last) == (5, "5 customers")
    assert max(map(cell_len, rows)) <= 40


async def test_progress(tmp_path):
    """Progress is shown while the export runs, and cleared at the end."""
    file = tmp_path / "a.csv"
    terminal = Terminal()
    async with MockServer(2_500) as server:
        server.fail(status=429, retry_after=1, page=3)
        code, out = await terminal.run("customers", "-o", file, env=env_of(server), stdout=subprocess.PIPE)
    shown = ANSI.sub("", terminal.output)
    assert (code, out) == (0, "")
    assert re.search(r"[\d,]+ of 2,500 customers", shown)
    assert re.search(r"[\d,]+/s · \d+ requests · [01] retr(y|ies)", shown)
    assert re.search(r"· 1 retry", shown)
    assert re.search(r"waiting [12] s: rate limited", shown)
    progress = [line for line in shown.replace("\r", "\n").splitlines() if "━" in line or "·" in line]
    assert max(map(cell_len, progress)) <= 80
    assert "".join(terminal.lines) == f"piriod-async: 2,500 customers in {file}"
    assert len(read_rows(file)) == 2_500


async def test_progress_of_several_workspaces(tmp_path):
    """Each workspace has a label and its share of the limit; log lines are printed above."""
    terminal = Terminal()
    async with MockServer({"acc_1": 300, "acc_2": 300}, latency=0.01) as server:
        options = ("-v", "-o", tmp_path / "a.csv", "--workspace", "acc_1", "--workspace", "acc_2", "--limit", "450")
        code, _ = await terminal.run("customers", *options, env=env_of(server))
    shown = ANSI.sub("", terminal.output)
    assert code == 0
    assert "acc_1 (1 of 2)" in shown
    assert "acc_2 (2 of 2)" in shown
    assert re.search(r"150 of 150 customers", shown)
    assert re.search(r"attempt page=\d workspace=acc_2 attempt=1 status=200", shown)


async def test_interrupt(tmp_path):
    """Ctrl-C leaves two lines and no traceback."""
    terminal = Terminal()
    async with MockServer(2_500, latency=0.05) as server:
        command = ("customers", "-o", tmp_path / "a.jsonl")
        code, _ = await terminal.run(*command, env=env_of(server), stop="00 of 2,500 customers")
    assert code == 130
    assert "piriod-async: interrupted" in terminal.lines
    assert "".join(terminal.lines).endswith("add --resume to continue")
    assert "Traceback" not in terminal.output


async def test_rows_and_progress():
    """Progress on the terminal that the rows go to hides no row."""
    terminal = Terminal()
    async with MockServer(1_500, latency=0.02) as server:
        code, _ = await terminal.run("customers", "--format", "jsonl", "--fields", "id", env=env_of(server))
        expected = [f'{{"id":"{row["id"]}"}}' for row in server.customers()]
    assert code == 0
    assert terminal.lines == expected
    assert "of 1,500 customers" in ANSI.sub("", terminal.output)


@pytest.mark.parametrize("env", [{"TERM": "dumb"}, {}])
async def test_no_progress(env):
    """A dumb terminal and a pipe get no progress and no escape sequences."""
    terminal = Terminal()
    pipes = {} if env else {"stderr": subprocess.PIPE}
    async with MockServer(1_500, latency=0.01) as server:
        command = ("customers", "--format", "csv", "--fields", "id")
        code, _ = await terminal.run(*command, env=env_of(server) | env | {"FORCE_COLOR": "1"}, **pipes)
    assert code == 0
    assert "customers" not in terminal.output
    assert "\x1b" not in terminal.output


async def test_token_prompt():
    """A missing token is prompted for, and not echoed."""
    terminal = Terminal()
    async with MockServer(3) as server:
        env = env_of(server, PIRIOD_TOKEN="")
        when = {"Piriod API token: ": f"{server.token}\n".encode()}
        code, _ = await terminal.run("customers", "--format", "table", env=env, when=when)
    assert code == 0
    assert terminal.output.count("cus_") == 3
    assert server.token not in terminal.output


async def test_token_prompt_aborted():
    """Ctrl-D at the prompt is exit code 130."""
    terminal = Terminal()
    env = {"PIRIOD_WORKSPACE": "acc_1"}
    code, _ = await terminal.run("customers", env=env, when={"Piriod API token: ": b"\x04"})
    assert code == 130
    assert "Traceback" not in terminal.output


async def test_reader_on_the_same_terminal():
    """`| less` has the terminal for itself: a progress bar would erase its first row."""
    terminal = Terminal()
    async with MockServer(1_500, latency=0.02) as server:
        code, out = await terminal.run("customers", env=env_of(server), stdout=subprocess.PIPE)
    assert (code, out.count("\n"), terminal.output) == (0, 1_500, "")


@pytest.mark.parametrize(("env", "bold"), [({}, True), ({"TERM": "dumb"}, False), ({"NO_COLOR": "1"}, False)])
async def test_bold(env, bold):
    """The header is bold, unless the terminal is dumb or the user wants no style."""
    terminal = Terminal()
    async with MockServer(3) as server:
        code, _ = await terminal.run("customers", env=env_of(server, **env))
    assert (code, "\x1b[1m" in terminal.output) == (0, bold)


async def test_latin_1():
    """A terminal of another encoding gets that, with a question mark for what it lacks."""
    terminal = Terminal()
    async with MockServer(0) as server:
        server.add(name="Ñandú 株")
        command = ("customers", "--format", "jsonl", "--fields", "name")
        code, _ = await terminal.run(*command, env=env_of(server, TERM="dumb", PYTHONIOENCODING="latin-1"))
    assert (code, terminal.data) == (0, '{"name":"Ñandú ?"}\r\n'.encode("latin-1"))


async def test_empty_table():
    """A table without customers says so."""
    async with MockServer(0) as server:
        terminal = Terminal()
        code, _ = await terminal.run("customers", env=env_of(server))
    assert (code, terminal.lines) == (0, ["no customers"])


async def test_interrupted_table():
    """A table that was interrupted does not end with a number."""
    terminal = Terminal()
    async with MockServer(2_500, latency=0.05) as server:
        code, _ = await terminal.run("customers", env=env_of(server), stop="00 of 2,500 customers")
    assert (code, terminal.lines[-1]) == (130, "piriod-async: interrupted")
    assert not [line for line in terminal.lines if line.endswith("customers")]
