"""Customers that cannot be decoded: an error with the way out, or left out and reported."""

import json
import signal

import pytest

from piriod_async.testing.mock_server import MockServer, Unchecked
from tests.integration.cli.test_resume import committed, every_format, stop_process
from tests.support.command import env_of, ids_in, read_rows


def break_customers(server, positions, workspace=None, **fields):
    """Give customers at these positions values that cannot be decoded, and return the ids of the others."""
    ids = [row["id"] for row in server.customers(workspace)]
    for position in positions:
        server.update(ids[position], **(fields or {"phone": Unchecked(5)}))
    return [id_ for position, id_ in enumerate(ids) if position not in positions]


async def test_error(run_cli_in_thread, tmp_path):
    """Without the option, the error names the customer and the option; everything before it can be resumed."""
    file = tmp_path / "a.jsonl"
    async with MockServer(350) as server:
        good = break_customers(server, [250])
        done = await run_cli_in_thread("customers", "-o", file, **env_of(server))
        assert done.returncode == 1
        message, advice = done.stderr.splitlines()
        assert "phone: 5 is not text (customer cus_" in message
        assert advice.startswith("use --skip-invalid to leave such customers out; 250 customers are kept in ")
        assert not file.exists()
        done = await run_cli_in_thread("customers", "-o", file, "--resume", "--skip-invalid", **env_of(server))
        assert done.returncode == 3
        assert [row["id"] for row in read_rows(file)] == good


@every_format
async def test_left_out(suffix, run_cli_in_thread, tmp_path):
    """The file is complete but for them; the exit code is 3, and the message has their number and the first few."""
    file = tmp_path / f"a.{suffix}"
    async with MockServer(350) as server:
        good = break_customers(server, [0, 100, 200, 201, 349], phone="\x1b[31m", email=Unchecked(["\u202e"]))
        done = await run_cli_in_thread("customers", "-o", file, "--skip-invalid", **env_of(server))
    assert (done.returncode, done.stdout) == (3, "")
    [message] = done.stderr.splitlines()
    assert message.startswith("piriod-async: customers left out because they cannot be decoded: 5 (results[0].email: [")
    assert message.count("(customer cus_") == 3
    assert message.endswith("; 2 more)")
    assert [row["id"] for row in read_rows(file)] == good
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


async def test_standard_output(run_cli_in_thread):
    """Standard output has the others."""
    async with MockServer(150) as server:
        good = break_customers(server, [3])
        done = await run_cli_in_thread("customers", "--skip-invalid", **env_of(server))
    assert (done.returncode, ids_in(done.stdout)) == (3, good)
    assert "decoded: 1 (results[3].phone: 5 is not text (customer cus_" in done.stderr


async def test_nothing_left_out(run_cli_in_thread):
    """If every customer can be decoded, the option changes nothing."""
    async with MockServer(150) as server:
        done = await run_cli_in_thread("customers", "--skip-invalid", **env_of(server))
    assert (done.returncode, done.stderr, len(ids_in(done.stdout))) == (0, "", 150)


async def test_several_workspaces(run_cli_in_thread):
    """The number is over all workspaces, also if one of them fails."""
    async with MockServer({"acc_1": 150, "acc_2": 30}) as server:
        for workspace in server.workspaces:
            break_customers(server, [1, 2], workspace)
        options = [each for workspace in (*server.workspaces, "acc_3") for each in ("--workspace", workspace)]
        done = await run_cli_in_thread("customers", "--skip-invalid", *options, **env_of(server))
    assert (done.returncode, len(ids_in(done.stdout))) == (3, 176)
    assert "decoded: 4 (results[1].phone" in done.stderr
    assert "1 of 3 workspaces failed: acc_3" in done.stderr


@pytest.mark.parametrize("stop_signal", [signal.SIGINT, signal.SIGKILL])
async def test_interrupted(stop_signal, run_cli_in_thread, tmp_path):
    """After an interruption, those that were left out before it still count, once each."""
    file = tmp_path / "a.jsonl"
    command = ("customers", "-o", file, "--skip-invalid", "--resume")
    async with MockServer(2_500, latency=0.002) as server:
        good = break_customers(server, [5, 99, 100, 700, 2_400])
        await stop_process(stop_signal, lambda: committed(file) >= 1_000, *command, env=env_of(server))
        state = json.loads(file.with_name("a.jsonl.part.state").read_bytes())
        assert state["invalid"] == {"acc_mock": 4}
        done = await run_cli_in_thread(*command, **env_of(server))
    assert done.returncode == 3
    assert "cannot be decoded: 5 (results[" in done.stderr
    assert done.stderr.endswith("; 4 more)\n")
    assert [row["id"] for row in read_rows(file)] == good
