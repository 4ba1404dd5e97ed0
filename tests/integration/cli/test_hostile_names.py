"""Names with escape sequences: a terminal never gets them, a file and a pipe always do."""

import json

import pytest

from piriod_async.testing.mock_server import MockServer
from tests.support.command import env_of, read_rows, start_process
from tests.support.terminal import Terminal

# colours, a bell, a window title, a clipboard (C1), a line that is overwritten, text that runs backwards
HOSTILE = "\x1b[31mRed\x07 \x1b]0;title\x07 \x9d52;c;ZXZpbA==\x9c real\rfake \u202egnp.exe\u2028 \x7f"
CONTROLS = [*map(chr, range(0x20)), *map(chr, range(0x7F, 0xA0)), "\u202e", "\u2028"]


@pytest.mark.parametrize("output_format", ["table", "csv", "jsonl"])
async def test_terminal(output_format):
    """Each format is printed without control characters, and each customer on its line."""
    terminal = Terminal(columns=200)
    async with MockServer(3) as server:
        added = server.add(name=HOSTILE)
        command = ("customers", "--format", output_format, "--fields", "id,name")
        code, _ = await terminal.run(*command, env=env_of(server, TERM="dumb"))
    assert code == 0
    [line] = [line for line in terminal.output.split("\r\n") if added in line]
    assert not [char for char in CONTROLS if char in line]
    if output_format == "jsonl":  # escaped, and so harmless
        assert json.loads(line)["name"].startswith("\x1b[31mRed\x07 \x1b]0;title\x07 \ufffd52;c;")
    else:
        assert "\ufffd[31mRed\ufffd \ufffd]0;title\ufffd \ufffd52;c;ZXZpbA==\ufffd real" in line


async def test_line_feeds():
    """The lines of a CSV cell stay lines."""
    terminal = Terminal()
    async with MockServer(0) as server:
        server.add(name="one\ntwo\tthree")
        await terminal.run("customers", "--format", "csv", "--fields", "name", env=env_of(server, TERM="dumb"))
    assert terminal.output == 'name\r\n"one\r\ntwo three"\r\n'


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
async def test_file_and_pipe(suffix, tmp_path):
    """In a file and in a pipe the name has all its characters, also if a terminal shows the progress."""
    terminal, file = Terminal(), tmp_path / f"a.{suffix}"
    command = ("customers", "--fields", "name")
    async with MockServer(0) as server:
        server.add(name=HOSTILE)
        assert (await terminal.run(*command, "-o", file, env=env_of(server)))[0] == 0
        process = await start_process(*command, "--format", suffix, env=env_of(server))
        out, _ = await process.communicate()
    assert out == file.read_bytes()
    assert [row["name"] for row in read_rows(file)] == [HOSTILE]
