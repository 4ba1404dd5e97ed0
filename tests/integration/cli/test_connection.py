"""Workspaces, tokens and base URLs: options, files and the environment."""

import json

from piriod_async.testing.mock_server import MockServer
from tests.support.command import env_of, ids_in


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
    for name, message in (("empty", "is empty"), ("absent", "No such file"), ("binary", "can't decode")):
        done = run_cli("customers", "--token-file", tmp_path / name, PIRIOD_WORKSPACE="acc_1")
        assert (done.returncode, message in done.stderr) == (2, True)


def test_no_token(run_cli):
    """Without a token the message says where to put one."""
    done = run_cli("customers", PIRIOD_WORKSPACE="acc_1")
    assert (done.returncode, done.stdout) == (2, "")
    message, _ = done.stderr.splitlines()
    assert message == "piriod-async: no token: expected PIRIOD_TOKEN, --token-file, or --mock to try it out"


def test_no_workspace(run_cli):
    """Without a workspace the message says where to put one."""
    done = run_cli("customers")
    assert done.returncode == 2
    message, _ = done.stderr.splitlines()
    assert message == (
        "piriod-async: no workspace: expected --workspace acc_…, PIRIOD_WORKSPACE, or --mock to try it out"
    )


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
