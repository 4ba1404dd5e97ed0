"""Workspaces, tokens and base URLs: options, files and the environment."""

import json

import click
import pytest

from piriod_async import ConfigurationError, PiriodSession
from piriod_async.testing.mock_server import MockServer
from tests.support.command import env_of, ids_in
from tests.support.terminal import Terminal


async def test_environment(run_cli_in_thread):
    """Options override the environment; test mode can come from either."""
    async with MockServer({"acc_1": 3, "acc_2": 5}) as server:
        env = env_of(server)
        default = await run_cli_in_thread("customers", **env)
        other = await run_cli_in_thread("customers", "--workspace", "acc_2", **env)
        by_option = await run_cli_in_thread("customers", "--test-mode", **env)
        by_variable = await run_cli_in_thread("customers", **env, PIRIOD_TEST_MODE="true")
    assert (len(ids_in(default.stdout)), len(ids_in(other.stdout))) == (3, 5)
    assert ids_in(by_option.stdout) == ids_in(by_variable.stdout)
    assert all(json.loads(line)["test_mode"] for line in by_option.stdout.splitlines())


async def test_token_file(run_cli_in_thread, tmp_path):
    """A token file overrides PIRIOD_TOKEN; a byte order mark and line ends do not count."""
    file = tmp_path / "token"
    async with MockServer(3) as server:
        env = env_of(server, PIRIOD_TOKEN="another")
        for content in (f"{server.token}\n".encode(), b"\xef\xbb\xbf" + server.token.encode() + b"\r\n"):
            file.write_bytes(content)
            done = await run_cli_in_thread("customers", "--token-file", file, **env)
            assert len(ids_in(done.stdout)) == 3


def test_unusable_token_file(run_cli, tmp_path):
    """A token file that is empty, missing or not text is wrong usage."""
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for name, message in (
        ("empty", "is empty"),
        ("absent", "absent: No such file"),
        ("binary", "expected text in UTF-8"),
    ):
        done = run_cli("customers", "--token-file", tmp_path / name, PIRIOD_WORKSPACE="acc_1")
        assert (done.returncode, message in done.stderr) == (2, True)


MISSING = {
    "no token: expected PIRIOD_TOKEN (or --token-file)": {"PIRIOD_WORKSPACE": "acc_1"},
    "no workspace: expected PIRIOD_WORKSPACE (or --workspace)": {"PIRIOD_TOKEN": "any-token"},
    "no token and no workspace: expected PIRIOD_TOKEN and PIRIOD_WORKSPACE (or --token-file and --workspace)": {},
}


@pytest.mark.parametrize("message", MISSING)
@pytest.mark.parametrize("blank", [{}, {"PIRIOD_TOKEN": "\n", "PIRIOD_WORKSPACE": " "}])
def test_missing(message, blank, run_cli):
    """The message says all that is missing at once, and where to put it."""
    done = run_cli("customers", **(blank | MISSING[message]))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[0] == f"piriod-async: {message}, or --mock to try it out"


async def test_missing_on_a_terminal():
    """Without a workspace nothing is prompted for."""
    terminal = Terminal(columns=200)
    code, _ = await terminal.run("customers", env={})
    assert (code, terminal.output.startswith("piriod-async: no token and no workspace: expected")) == (2, True)


async def test_line_ends_in_the_environment(run_cli_in_thread):
    """Variables from `echo`, or a file with CRLF, work as a token file does."""
    async with MockServer(3) as server:
        env = {name: f"{value}\r\n" for name, value in env_of(server, PIRIOD_TEST_MODE="on").items()}
        done = await run_cli_in_thread("customers", **env)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert {row["test_mode"] for row in rows} == {True}


@pytest.mark.parametrize("mode", [*click.BOOL.bool_states, "maybe", "2", "ON", " yes\n"])
def test_test_mode(mode, run_cli, monkeypatch):
    """The command and `from_env` understand PIRIOD_TEST_MODE alike."""
    accepted = run_cli("customers", "--mock", "0", PIRIOD_TEST_MODE=mode)
    monkeypatch.setenv("PIRIOD_TOKEN", "any-token")
    monkeypatch.setenv("PIRIOD_TEST_MODE", mode)
    try:
        in_test_mode = "test_mode=True" in repr(PiriodSession.from_env())
    except ConfigurationError:
        assert (accepted.returncode, mode in ("maybe", "2")) == (2, True)
    else:
        assert (accepted.returncode, in_test_mode) == (0, click.BOOL.str_to_bool(mode))


def test_prefixed_token(run_cli):
    """A token with the scheme of the header is refused, without the token in the message."""
    done = run_cli("customers", PIRIOD_TOKEN="Token abcdef", PIRIOD_WORKSPACE="acc_1")
    assert done.returncode == 2
    assert "expected the token alone, without the prefix 'Token'" in done.stderr
    assert "abcdef" not in done.stderr


def test_workspaces_file_in_utf_16(run_cli, tmp_path):
    """A workspaces file that is not UTF-8 is wrong usage."""
    (tmp_path / "list").write_text("acc_1\n", encoding="utf-16")
    done = run_cli("customers", "--workspaces-file", tmp_path / "list", "--mock", "3")
    assert (done.returncode, "expected text in UTF-8\n" in done.stderr) == (2, True)


def test_base_url(run_cli):
    """A base URL without TLS is refused, and named as its option."""
    env = {"PIRIOD_TOKEN": "any-token", "PIRIOD_WORKSPACE": "acc_1"}
    done = run_cli("customers", "--base-url", "http://example.com", **env)
    assert (done.returncode, "--base-url 'http://example.com': expected" in done.stderr) == (2, True)


def test_mock_and_environment(run_cli):
    """`--mock` takes precedence over `PIRIOD_BASE_URL`, on either side of other options."""
    for options in (("--mock", "3", "--count"), ("--count", "--mock", "3")):
        done = run_cli("customers", *options, PIRIOD_BASE_URL="http://127.0.0.1:1")
        assert (done.returncode, done.stdout) == (0, "3\n")
