"""A state file that is damaged: a clear error, and nothing is lost."""

import json
import re

import click
import pytest

from piriod_async.cli.export_state import ExportState
from piriod_async.testing.mock_server import MockServer
from tests.support.command import env_of

CHECKPOINT = {"ordering": "created", "created": "2024-01-01T00:00:00Z", "ids": ["cus_1"], "query": "q"}
STATE = {
    "options": {"--workspace": ["acc_1", "acc_2", "acc_3"], "--ordering": "created"},
    "sizes": [100, 50],
    "customers": {"acc_1": 1_000, "acc_2": 250},
    "invalid": {"acc_1": 3},
    "checkpoints": {"acc_2": CHECKPOINT},
    "done": ["acc_1"],
    "complete": False,
}
GARBLED = {
    "sizes": [None, [-1, 50], ["100", 50], [1.5], {}],
    "customers": [None, {"acc_1": -1, "acc_2": 1}, {"acc_9": 1, "acc_2": 1}, {"acc_1": 1}, []],
    "invalid": [None, {"acc_1": -1}, {"acc_9": 1}, [], {"acc_1": "3"}],
    "checkpoints": [None, {"acc_2": {}}, {"acc_9": CHECKPOINT}, {"acc_1": CHECKPOINT}, {"acc_3": CHECKPOINT}],
    "done": [None, ["acc_9"], ["acc_1", "acc_1"], [1], "acc_1"],
    "complete": [None, 0, "false"],
    "options": [None, [], {}, {"--workspace": 5}, {"--workspace": ["acc_1", "acc_2"], "--ordering": "-created"}],
}
CASES = [(name, value) for name, values in GARBLED.items() for value in values]
NAIVE = CHECKPOINT | {"created": "2024-01-01T00:00:00"}


def read(path, state):
    path.write_text(state if isinstance(state, str) else json.dumps(state))
    return ExportState.read(path)


def test_valid(tmp_path):
    """A valid state is read."""
    state = read(tmp_path / "state", STATE)
    assert (state.count, state.done, list(state.checkpoints)) == (1_250, ["acc_1"], ["acc_2"])


@pytest.mark.parametrize(("name", "value"), [*CASES, ("checkpoints", {"acc_2": NAIVE})])
def test_garbled_field(name, value, tmp_path):
    """A field of the wrong type, or that contradicts the others, is refused."""
    with pytest.raises(click.UsageError, match=r"state is not valid \(.+\): start over without --resume$"):
        read(tmp_path / "state", STATE | {name: value})


@pytest.mark.parametrize("name", STATE)
def test_missing_and_misspelt_field(name, tmp_path):
    """No field has a default: a state without `done` would export workspaces again."""
    others = {other: value for other, value in STATE.items() if other != name}
    for state in (others, others | {name[:-1]: STATE[name]}, STATE | {"more": 1}):
        with pytest.raises(click.UsageError, match="is not valid"):
            read(tmp_path / "state", state)


def test_truncated(tmp_path):
    """A state that was cut off anywhere is refused."""
    text = json.dumps(STATE)
    for length in range(len(text)):
        with pytest.raises(click.UsageError, match="is not valid"):
            read(tmp_path / "state", text[:length])
    (tmp_path / "state").write_bytes(b"\xff\x00")
    with pytest.raises(click.UsageError, match="is not valid"):
        ExportState.read(tmp_path / "state")


@pytest.mark.parametrize("sizes", [[], [1], [10**30, 1], [1, 1, 1]])
async def test_sizes_of_other_files(sizes, run_cli_in_thread, tmp_path):
    """Sizes that cannot be those of the files are an error in two lines, which touches no file."""
    file = tmp_path / "a.csv"
    command = ("customers", "-o", file, "--contacts-output", tmp_path / "b.csv")
    async with MockServer(300) as server:
        server.fail(status=403, page=3)
        assert (await run_cli_in_thread(*command, **env_of(server))).returncode == 1
        path = tmp_path / "a.csv.part.state"
        path.write_text(json.dumps(json.loads(path.read_bytes()) | {"sizes": sizes}))
        before, requests = {path: path.read_bytes() for path in tmp_path.iterdir()}, len(server.requests)
        done = await run_cli_in_thread(*command, "--resume", **env_of(server))
        assert len(server.requests) == requests
    assert done.returncode == 2
    assert re.match(r"piriod-async: .*(is not valid|is shorter than its state says).*\nTry .*\n$", done.stderr)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
