"""Times at the ends of the calendar, and amounts that no format holds, on the command line."""

from datetime import datetime

import pytest

from piriod_async.testing.mock_server import MockServer, Unchecked
from tests.support.command import env_of, read_rows

FOREVER, FIRST = "9999-12-31T23:59:59-03:00", "0001-01-01T00:00:00+03:00"


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
async def test_ends_of_the_calendar(suffix, run_cli_in_thread, tmp_path):
    """A customer that was updated at the end of time is exported exactly, and so is one from its beginning."""
    file = tmp_path / f"a.{suffix}"
    async with MockServer(150) as server:
        ids = [server.add(updated=Unchecked(FIRST)), server.add(updated=Unchecked(FOREVER))]
        done = await run_cli_in_thread("customers", "-o", file, **env_of(server))
    assert (done.returncode, done.stderr) == (0, "")
    updated = {row["id"]: datetime.fromisoformat(row["updated"]) for row in read_rows(file)}
    assert [updated[id_] for id_ in ids] == [datetime.fromisoformat(FIRST), datetime.fromisoformat(FOREVER)]


@pytest.mark.parametrize("options", [("-o", "a.parquet"), ("--format", "table", "--fields", "id,updated")])
async def test_other_formats(options, run_cli_in_thread, tmp_path, monkeypatch):
    """A table and Parquet have them too."""
    monkeypatch.chdir(tmp_path)
    async with MockServer(3) as server:
        server.add(updated=Unchecked(FIRST))
        server.add(updated=Unchecked(FOREVER))
        done = await run_cli_in_thread("customers", *options, **env_of(server))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("9999-12-31T23:59:59.000000-03:00") == ("table" in options)
