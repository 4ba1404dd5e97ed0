"""Commits: a crash at any step, locks, damaged files."""

import os
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest

from piriod_async import Checkpoint, Customer
from piriod_async.cli import partial_files
from piriod_async.cli.partial_files import COMMIT_INTERVAL, PartialFile, ResumableExport
from piriod_async.export import ContactsCsvEncoder, CsvEncoder, JsonLinesEncoder
from piriod_async.export.arrow_format import ArrowStreamEncoder
from piriod_async.export.parquet_format import stream_to_parquet
from tests.support.command import read_rows, same_content

CUSTOMERS = [Customer(id=f"cus_{number}", name="Ñandú") for number in range(60)]
OPTIONS = {"--format": "any", "--workspace": ["acc_1"], "--ordering": "created"}


def checkpoint(number):
    return Checkpoint(
        ordering="created", created=datetime(2024, 1, 1, tzinfo=UTC), ids=frozenset([str(number)]), query=""
    )


def open_csv(path, *, resume=False):
    return ResumableExport.open([PartialFile(path, CsvEncoder(["id"]))], OPTIONS, resume=resume)


class Crash(BaseException):
    """Ends the process, in effect."""


def export_to(path, *, resume):
    """Export `CUSTOMERS` as the command does: ten per page, a commit every second page."""
    encoder = {".jsonl": JsonLinesEncoder, ".csv": CsvEncoder, ".parquet": ArrowStreamEncoder}[path.suffix]()
    convert = stream_to_parquet if path.suffix == ".parquet" else None
    contacts = PartialFile(path.with_name("contacts.csv"), ContactsCsvEncoder())
    export = ResumableExport.open([PartialFile(path, encoder, convert), contacts], OPTIONS, resume=resume)
    try:
        if not (export.state.complete or export.state.done):
            after = export.state.checkpoints.get("acc_1")
            export.rollback()
            for first in range(int(*after.ids) if after else 0, len(CUSTOMERS), 10):
                export.write(CUSTOMERS[first : first + 10], "acc_1")
                if first % 20:
                    export.commit("acc_1", checkpoint(first + 10))
            export.commit("acc_1", done=True)
        export.complete()
    finally:
        export.close()


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_crash_at_every_step(suffix, tmp_path, monkeypatch):
    """After a crash at any system call with a visible effect, and half-written data, a resume completes the export."""
    undisturbed = tmp_path / f"undisturbed.{suffix}"
    export_to(undisturbed, resume=False)
    contacts = (tmp_path / "contacts.csv").read_bytes()
    steps, crash_at = 0, 0

    def counted(call):
        def counting(*arguments, **keywords):
            nonlocal steps
            steps += 1
            if steps == crash_at:
                raise Crash
            return call(*arguments, **keywords)

        return counting

    monkeypatch.setattr(os, "fsync", counted(lambda _: None))
    for owner, name in ((Path, "replace"), (Path, "unlink"), (Path, "write_bytes"), (os, "open"), (os, "truncate")):
        monkeypatch.setattr(owner, name, counted(getattr(owner, name)))
    while True:
        crash_at += 1
        folder = tmp_path / str(crash_at)
        folder.mkdir()
        file, steps = folder / f"a.{suffix}", 0
        try:
            export_to(file, resume=False)
        except Crash:
            steps = -1_000_000
            for part in folder.glob("*.part"):
                with part.open("ab") as opened:
                    opened.write(b'{"id": "cus_hal')
            assert not file.exists() or same_content(file, undisturbed)
            export_to(file, resume=True)
        assert same_content(file, undisturbed), crash_at
        assert (folder / "contacts.csv").read_bytes() == contacts
        assert sorted(path.name for path in folder.iterdir()) == sorted([file.name, "contacts.csv"])
        if steps > 0:
            break
    assert crash_at > 30


def test_commit_interval(tmp_path, monkeypatch):
    """A commit is due every thousand customers, or every second; a rollback drops what came after it."""
    monkeypatch.setattr(partial_files, "SAVE_SECONDS", float("inf"))
    export = open_csv(tmp_path / "a.csv")
    due = [export.write(CUSTOMERS[:50], "acc_1") for _ in range(COMMIT_INTERVAL // 50)]
    assert due == [False] * (COMMIT_INTERVAL // 50 - 1) + [True]
    export.commit("acc_1", checkpoint(1))
    assert export.count == COMMIT_INTERVAL
    assert not export.write(CUSTOMERS, "acc_1")
    export.rollback()
    export.commit()
    assert export.count == COMMIT_INTERVAL
    monkeypatch.setattr(partial_files, "SAVE_SECONDS", 0.0)
    assert export.write(CUSTOMERS, "acc_1")
    export.close()


def test_small_workspaces(tmp_path, monkeypatch):
    """The ends of small workspaces are saved together: after a thousand customers, a second, or at the end."""
    monkeypatch.setattr(partial_files, "SAVE_SECONDS", float("inf"))
    names = [f"acc_{number}" for number in range(1_000 // 60 + 3)]
    options = OPTIONS | {"--workspace": names}
    export = ResumableExport.open([PartialFile(tmp_path / "a.csv", CsvEncoder(["id"]))], options, resume=False)
    kept = []
    for name in names[:-1]:
        export.write(CUSTOMERS, name)
        export.commit(name, done=True)
        kept.append(export.count)
    assert kept == [0] * 16 + [17 * 60] * 2
    export.write(CUSTOMERS, names[-1])
    export.rollback()  # which drops none that is done
    assert export.state.done == names[:-1]
    export.save()
    assert export.count == 18 * 60
    monkeypatch.setattr(partial_files, "SAVE_SECONDS", 0.0)
    export.write(CUSTOMERS, names[-1])
    export.commit(names[-1], done=True)
    assert export.count == 19 * 60
    export.close()


def test_lock(tmp_path, monkeypatch):
    """Only one process writes an export, also if it opened the file just before it was renamed into place."""
    path = tmp_path / "a.csv"
    export = open_csv(path)
    export.write(CUSTOMERS, "acc_1")
    export.commit("acc_1", checkpoint(1))
    for resume in (True, False):
        with pytest.raises(click.UsageError, match="another export is writing"):
            open_csv(path, resume=resume)
    late = os.open(f"{path}.part", os.O_RDWR)
    export.complete()
    export.close()
    monkeypatch.setattr(os, "open", lambda *_: late)
    with pytest.raises(click.UsageError, match="another export is writing"):
        open_csv(path)
    assert len(read_rows(path)) == len(CUSTOMERS)


def test_short_partial_file(tmp_path):
    """A partial file that is shorter than its state says is refused, and stays."""
    path = tmp_path / "a.csv"
    export = open_csv(path)
    export.write(CUSTOMERS, "acc_1")
    export.commit("acc_1", checkpoint(1))
    export.close()
    (tmp_path / "a.csv.part").write_bytes(b"id\r\n")
    with pytest.raises(click.UsageError, match="shorter than its state says: start over"):
        open_csv(path, resume=True)
    assert (tmp_path / "a.csv.part").read_bytes() == b"id\r\n"
    (tmp_path / "a.csv.part").unlink()
    with pytest.raises(click.UsageError, match="shorter than its state says: start over"):
        open_csv(path, resume=True)
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv.part.state"]


def test_failed_start_leaves_nothing(tmp_path):
    """If one of two files cannot be opened, the other is not left behind; one that was there before stays."""
    files = [PartialFile(tmp_path / name, CsvEncoder(["id"])) for name in ("a.csv", "missing/b.csv")]
    for before in ([], ["a.csv.part"]):
        for name in before:
            (tmp_path / name).touch()
        with pytest.raises(FileNotFoundError):
            ResumableExport.open(files, OPTIONS, resume=False)
        assert [path.name for path in tmp_path.iterdir()] == before
