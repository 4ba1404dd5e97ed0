"""A disk that fills up: an error, not a success with half of the data, and no temporary file."""

import asyncio
import json
import resource
import signal
import subprocess
from functools import partial

import pytest

from piriod_async.testing.mock_server import MockServer
from tests.support.command import CLEAN_ENV, COMMAND, env_of, read_rows, run_process, without_coverage

RAISE_THE_LIMIT = "raise the limit of the size of files (ulimit -f)"


def limit_files(room):
    """Make every file as full as a disk with so many bytes of room: the last write takes only a part."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))


async def run_on_a_full_disk(*arguments, room, stdout=None, **env):
    env = without_coverage(CLEAN_ENV | {"PYTHONDONTWRITEBYTECODE": "1"} | env)
    pipes = {
        "stdout": stdout or subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "env": env,
        "preexec_fn": partial(limit_files, room),
    }
    process = await asyncio.create_subprocess_exec(*COMMAND, *map(str, arguments), **pipes)
    _, error = await process.communicate()
    return process.returncode, error.decode()


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("output_format", ["jsonl", "csv", "table"])
async def test_standard_output(output_format, unbuffered, tmp_path):
    """Bytes that standard output did not take are an error, also if Python does not buffer it, as in a container."""
    async with MockServer(80) as server:
        with (tmp_path / "out").open("wb") as out:
            command = ("customers", "--format", output_format)
            code, error = await run_on_a_full_disk(
                *command, room=4_000, stdout=out, **env_of(server, PYTHONUNBUFFERED=unbuffered)
            )
    assert (code, error) == (1, f"piriod-async: standard output: File too large\n{RAISE_THE_LIMIT}\n")
    assert (tmp_path / "out").stat().st_size == 4_000


@pytest.mark.parametrize("unbuffered", ["", "1"])
async def test_count(unbuffered, tmp_path):
    """Counts are not cut off either."""
    async with MockServer({"acc_1": 1, "acc_2": 1}) as server:
        with (tmp_path / "out").open("wb") as out:
            command = ("customers", "--count", "--workspace", "acc_1", "--workspace", "acc_2")
            code, error = await run_on_a_full_disk(
                *command, room=12, stdout=out, **env_of(server, PYTHONUNBUFFERED=unbuffered)
            )
    assert (code, error) == (1, f"piriod-async: standard output: File too large\n{RAISE_THE_LIMIT}\n")
    assert (tmp_path / "out").read_text() == "acc_1\t1\nacc_"


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
async def test_file(suffix, tmp_path):
    """An export to a file keeps what was committed, and a resume completes it."""
    file = tmp_path / f"a.{suffix}"
    command = ("customers", "-o", file, "--fields", "id")
    async with MockServer(2_500) as server:
        code, error = await run_on_a_full_disk(*command, room=41_000, **env_of(server))
        message, advice = error.splitlines()
        assert (code, message) == (1, f"piriod-async: {file}.part: File too large")
        kept = sum(json.loads((tmp_path / f"{file.name}.part.state").read_bytes())["customers"].values())
        assert advice == f"{RAISE_THE_LIMIT}; {kept:,} customers are kept in {file}.part: add --resume to continue"
        assert kept >= 1_000
        assert sorted(path.name for path in tmp_path.iterdir()) == [f"{file.name}.part", f"{file.name}.part.state"]
        done = await asyncio.to_thread(run_process, *command, "--resume", **env_of(server))
        expected = [row["id"] for row in server.customers()]
    assert (done.returncode, done.stderr) == (0, "")
    assert [row["id"] for row in read_rows(file)] == expected
