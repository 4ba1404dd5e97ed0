"""A full disk: an error, and no temporary file that fills it further."""

import os
import subprocess
import sys

import pytest

from tests.support.command import without_coverage

# A limit on the size of files fails like a disk with that much room: the last write takes only a part.
CODE = """
import asyncio, resource, signal, sys
from attrs import evolve
from piriod_async import export
from tests.support.customers import FULL, stream

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
customers = [evolve(FULL, id=f"cus_{number}") for number in range(5_000)]
write, path = getattr(export, sys.argv[1]), sys.argv[2]
options = {"contacts": sys.argv[3]} if len(sys.argv) > 3 else {}
asyncio.run(export.to_arrow(stream(FULL)))  # its import may write byte code
resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, 4_000))  # less than a buffer: to close the file fails too
try:
    asyncio.run(write(stream(*customers), path, fields=["id"], **options))
except OSError as error:
    print(error.strerror)
"""


@pytest.mark.parametrize("write", ["write_jsonl", "write_csv", "write_parquet"])
def test_no_temporary_file(write, tmp_path):
    """The error of the disk is raised, the old file stays, and nothing else."""
    (tmp_path / "a").write_bytes(b"before")
    contacts = [tmp_path / "contacts.csv"] * (write == "write_csv")
    command = [sys.executable, "-c", CODE, write, tmp_path / "a", *contacts]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=without_coverage(os.environ))
    assert (done.stdout, done.stderr) == ("File too large\n", "")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"before"
