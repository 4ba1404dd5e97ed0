"""`--accounts`: workspaces with tokens, servers and modes of their own."""

import asyncio
import json
import signal
from collections import Counter

import pytest

from piriod_async.testing.mock_server import MockServer
from tests.support.command import env_of, ids_in, read_rows, start_process

SIZES = {"acc_1": 3, "acc_2": 5, "acc_3": 7}
TOKENS = {"acc_1": "first-token", "acc_2": "first-token", "acc_3": "second-token"}
ACCOUNTS = """
[[accounts]]
workspaces = ["acc_1", "acc_2"]
token_file = "tokens/first"

[[accounts]]
workspace = "acc_3"
token_variable = "SECOND_TOKEN"
"""


@pytest.fixture
def accounts(tmp_path):
    """A file of two accounts, beside the file with the token of one."""
    (tmp_path / "tokens").mkdir()
    (tmp_path / "tokens" / "first").write_text("first-token\n")
    file = tmp_path / "accounts.toml"
    file.write_text(ACCOUNTS)
    return file


def env_for(server):
    return env_of(server, PIRIOD_TOKEN="unused", PIRIOD_WORKSPACE="unused", SECOND_TOKEN="second-token\n")


def committed(file):
    """Return how many customers the last commit of an export covers."""
    state = file.with_name(f"{file.name}.part.state")
    return sum(json.loads(state.read_bytes())["customers"].values()) if state.exists() else 0


def counts(output):
    return Counter(json.loads(line)["workspace"] for line in output.splitlines())


async def test_all(accounts, run_cli_in_thread):
    """Every workspace is read with the token of its account; paths are relative to the file."""
    async with MockServer(SIZES, tokens=TOKENS) as server:
        done = await run_cli_in_thread("customers", "--accounts", accounts, **env_for(server))
        counted = await run_cli_in_thread("customers", "--accounts", accounts, "--count", **env_for(server))
    assert (done.returncode, done.stderr, counts(done.stdout)) == (0, "", SIZES)
    assert counted.stdout == "acc_1\t3\nacc_2\t5\nacc_3\t7\n"


async def test_selected(accounts, run_cli_in_thread, tmp_path):
    """`--workspace` and `--workspaces-file` select some of the accounts' workspaces, and no other."""
    (tmp_path / "list").write_text("acc_3 # the last\n")
    async with MockServer(SIZES, tokens=TOKENS) as server:
        options = ("customers", "--accounts", accounts, "--workspace")
        done = await run_cli_in_thread(*options, "acc_2", "--workspaces-file", tmp_path / "list", **env_for(server))
        unknown = await run_cli_in_thread(*options, "acc_9", **env_for(server))
    assert counts(done.stdout) == {"acc_2": 5, "acc_3": 7}
    assert unknown.returncode == 2
    assert "expected an account with the workspace acc_9" in unknown.stderr


async def test_server_and_mode(run_cli_in_thread, tmp_path):
    """An account may have its own server and mode, in place of those of the options."""
    async with MockServer({"acc_1": 3}, token="a") as one, MockServer({"acc_2": 5}, token="b") as other:
        (tmp_path / "a.toml").write_text(
            f'[[accounts]]\nworkspace = "acc_1"\ntoken_variable = "A"\ntest_mode = false\n'
            f'[[accounts]]\nworkspace = "acc_2"\ntoken_variable = "B"\nbase_url = "{other.url}"\n'
        )
        env = env_of(one, A="a", B="b")
        done = await run_cli_in_thread("customers", "--accounts", tmp_path / "a.toml", "--test-mode", **env)
    assert (done.returncode, counts(done.stdout)["acc_1"]) == (0, 3)
    assert {request.test_mode for request in one.requests} == {False}
    assert {request.test_mode for request in other.requests} == {True}


async def test_failing_account(accounts, run_cli_in_thread):
    """An account whose token is refused does not affect the others, and no message has a token."""
    async with MockServer(SIZES, tokens=TOKENS | {"acc_3": "another"}) as server:
        done = await run_cli_in_thread("customers", "--accounts", accounts, "-v", **env_for(server))
    assert (done.returncode, counts(done.stdout)) == (3, {"acc_1": 3, "acc_2": 5})
    assert "1 of 3 workspaces failed: acc_3" in done.stderr
    assert "-token" not in done.stderr


async def test_rotated_file(accounts, tmp_path):
    """A token file is read again after a 401."""
    server = MockServer({"acc_1": 1_500, "acc_2": 5, "acc_3": 7}, tokens=TOKENS, latency=0.002)
    async with server:
        options = ("--accounts", accounts, "-o", tmp_path / "a.jsonl", "--concurrency", "1")
        process = await start_process("customers", *options, env=env_for(server))
        while len(server.requests) < 5:  # noqa: ASYNC110 (another process sends them)
            await asyncio.sleep(0.001)
        (tmp_path / "tokens" / "first").write_text("newer")
        server.tokens |= {"acc_1": "newer", "acc_2": "newer"}
        assert await process.wait() == 0
    assert Counter(row["workspace"] for row in read_rows(tmp_path / "a.jsonl")) == {
        "acc_1": 1_500,
        "acc_2": 5,
        "acc_3": 7,
    }
    assert Counter(request.status for request in server.requests)[401] in (1, 2)


async def test_resume(accounts, run_cli_in_thread, tmp_path):
    """An interrupted export is resumed, also with other tokens, but not with another server."""
    file = tmp_path / "a.jsonl"
    sizes = {"acc_1": 2_300, "acc_2": 5, "acc_3": 7}
    command = ("customers", "--accounts", accounts, "-o", file, "--resume")
    async with MockServer(sizes, tokens=TOKENS, latency=0.002) as server:
        process = await start_process(*command, "--concurrency", "1", env=env_for(server))
        while committed(file) < 1_000:  # noqa: ASYNC110 (another process writes it)
            await asyncio.sleep(0.001)
        process.send_signal(signal.SIGINT)
        await process.communicate()
        assert process.returncode == 130
        accounts.write_text(ACCOUNTS.replace('"acc_3"\n', '"acc_3"\ntest_mode = true\n'))
        changed = await run_cli_in_thread(*command, **env_for(server))
        assert (changed.returncode, "different options: --accounts (was " in changed.stderr) == (2, True)
        accounts.write_text(ACCOUNTS.replace("tokens/first", "other"))
        (tmp_path / "other").write_text("newer")
        server.tokens |= {"acc_1": "newer", "acc_2": "newer"}
        done = await run_cli_in_thread(*command, **env_for(server))
        assert (done.returncode, done.stderr) == (0, "")
    rows = read_rows(file)
    assert Counter(row["workspace"] for row in rows) == sizes
    assert len({row["id"] for row in rows}) == sum(sizes.values())


ONE = '[[accounts]]\nworkspace = "acc_1"\n'
INVALID = {
    'accounts = "a"': "expected one or more tables [[accounts]], and nothing else",
    "": "expected one or more tables [[accounts]]",
    "accounts = []": "expected one or more tables [[accounts]]",
    'accounts = ["acc_1"]': "account 1: expected a table",
    f'{ONE}token_variable = "SECOND_TOKEN"\n[other]': "expected one or more tables [[accounts]], and nothing else",
    "[[accounts]": "expected TOML: ",
    f'{ONE}token = "tk_secret"': "token: a token does not belong in this file: put it into a file or a variable",
    f'{ONE}tokn = "tk_secret"': "account 1: tokn: expected some of workspace, workspaces, token_file",
    ONE: "account 1: expected either token_file, the path of a file, or token_variable",
    f'{ONE}token_file = "a"\ntoken_variable = "A"': "account 1: expected either token_file",
    f"{ONE}token_file = 5": "account 1: expected either token_file",
    f'{ONE}token_file = "absent"': "account 1: token_file ",
    f'{ONE}token_file = "empty"': "is empty: expected an API token",
    f'{ONE}token_variable = "ABSENT"': "account 1: token_variable ABSENT is not set: expected a variable",
    f'{ONE}token_variable = "SPACED"': "account 1: token_variable SPACED: token='********': expected",
    f'{ONE}token_variable = "SECOND_TOKEN"\nbase_url = "http://a.com"': "account 1: base_url='http://a.com': expected",
    f'{ONE}token_variable = "SECOND_TOKEN"\ntest_mode = "yes"': "account 1: test_mode='yes': expected",
    '[[accounts]]\ntoken_variable = "SECOND_TOKEN"': "account 1: expected either workspace, an id, or workspaces",
    '[[accounts]]\nworkspaces = "acc_1"\ntoken_variable = "SECOND_TOKEN"': "expected either workspace, an id",
    '[[accounts]]\nworkspaces = [5]\ntoken_variable = "SECOND_TOKEN"': "account 1: workspace=5: expected",
    ACCOUNTS + '[[accounts]]\nworkspace = "acc_1"\ntoken_variable = "SECOND_TOKEN"': "3: acc_1 is in account 1 too",
}


@pytest.mark.parametrize("content", INVALID)
def test_invalid(content, accounts, run_cli):
    """A file that is not valid is wrong usage; the message says where and what, and shows no token."""
    accounts.write_text(content)
    (accounts.parent / "empty").write_text(" \n")
    done = run_cli("customers", "--accounts", accounts, SECOND_TOKEN="second-token", SPACED="tk secret")
    assert (done.returncode, done.stdout) == (2, "")
    assert INVALID[content] in done.stderr
    assert not any(token in done.stderr for token in ("tk_secret", "tk secret", "second-token"))


@pytest.mark.parametrize("option", [("--token-file", "a"), ("--mock", "3")])
def test_conflicts(option, accounts, run_cli):
    """Options that the file stands for cannot be combined with it."""
    done = run_cli("customers", "--accounts", accounts, *option)
    assert (done.returncode, "cannot be combined with" in done.stderr) == (2, True)


def test_unreadable(run_cli, tmp_path):
    """A file that is missing or not text is wrong usage."""
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for name, message in (("absent", "No such file"), ("binary", "expected text in UTF-8")):
        done = run_cli("customers", "--accounts", tmp_path / name)
        assert (done.returncode, message in done.stderr) == (2, True)


async def test_rotated_token_file(run_cli_in_thread, tmp_path):
    """`--token-file` is read again after a 401 too."""
    file = tmp_path / "token"
    file.write_text("old")

    class RotatingServer(MockServer):
        async def _handle(self, request):
            response = await super()._handle(request)
            if len(self.requests) == 2:
                file.write_text("new")
                self.token = "new"
            return response

    async with RotatingServer(300, token="old") as server:
        done = await run_cli_in_thread("customers", "--token-file", file, "--concurrency", "1", **env_of(server))
    assert (done.returncode, len(ids_in(done.stdout))) == (0, 300)
    assert Counter(request.status for request in server.requests)[401] == 1
