"""Exports that are interrupted, at any moment, and gone on with: nothing is lost, nothing comes twice."""

import asyncio
import json
import os
import signal
import stat
from datetime import UTC, datetime
from pathlib import Path

import click
import pyarrow.parquet as pq
import pytest

from piriod_async import Checkpoint, Customer, export
from piriod_async.cli.partial_files import COMMIT, Files, Part
from piriod_async.export.arrow_format import ArrowStreamEncoder, stream_to_parquet
from piriod_async.testing.mock_server import MockServer, Mutations
from tests.support.command import beside, env_of, rows_of, started

KINDS = ("jsonl", "csv", "parquet")
every_kind = pytest.mark.parametrize("kind", KINDS)


def same(one, other):
    if one.suffix == ".parquet":
        return pq.read_table(one).equals(pq.read_table(other))
    return one.read_bytes() == other.read_bytes()


def kept_of(file):
    state = file.with_name(f"{file.name}.part.state")
    return sum(json.loads(state.read_bytes())["customers"].values()) if state.exists() else 0


async def stopped(how, when, *arguments, env):
    """Run the command until it has come so far, and stop it: one request at a time, so that it is not ahead of us."""
    process = await started(*arguments, "--concurrency", "1", env=env)
    while not when() and process.returncode is None:  # noqa: ASYNC110 (it is another process)
        await asyncio.sleep(0.001)
    process.send_signal(how)
    _, said = await process.communicate()
    return process.returncode, said.decode()


# --- processes ---


@every_kind
async def test_killed_at_several_moments_and_resumed(kind, here, tmp_path):
    whole, file = tmp_path / f"whole.{kind}", tmp_path / f"a.{kind}"
    more = ("--contacts", tmp_path / "whole-contacts.csv"), ("--contacts", tmp_path / "contacts.csv")
    of_whole, of_file = more if kind == "csv" else ((), ())
    options = ("--workspace", "acc_1", "--workspace", "acc_2")
    async with MockServer({"acc_1": 2_300, "acc_2": 2_100}, latency=0.002) as server:
        undisturbed = await here.beside("customers", "-o", whole, *of_whole, *options, **env_of(server))
        assert (undisturbed.returncode, undisturbed.stderr) == (0, "")
        asked = len(server.requests)
        command = ("customers", "-o", file, *of_file, *options, "--resume")
        moments = [
            lambda: len(server.requests) > asked + 3,
            lambda: kept_of(file) >= 1_000,
            lambda: kept_of(file) >= 3_300,
        ]
        kept = []
        for moment in moments:
            code, _ = await stopped(signal.SIGKILL, moment, *command, env=env_of(server))
            assert code == -signal.SIGKILL
            assert not file.exists()
            kept.append(kept_of(file))
        done = await here.beside(*command, **env_of(server))
        assert (done.returncode, done.stderr) == (0, "")
    assert 0 <= kept[0] < kept[1] < kept[2] < 4_400
    assert same(file, whole)
    assert len(rows_of(file)) == 4_400
    if kind == "csv":
        assert same(tmp_path / "contacts.csv", tmp_path / "whole-contacts.csv")
    assert not [path.name for path in tmp_path.iterdir() if ".part" in path.name]


async def test_killed_and_resumed_while_the_list_moves(here, tmp_path):
    file = tmp_path / "a.jsonl"
    command = ("customers", "-o", file, "--fields", "id", "--resume")
    async with MockServer(3_500, mutations=Mutations(rate=0.5), latency=0.002) as server:
        for moment in (lambda: kept_of(file) >= 1_000, lambda: kept_of(file) >= 2_000):
            code, _ = await stopped(signal.SIGKILL, moment, *command, env=env_of(server))
            assert code == -signal.SIGKILL
        done = await here.beside(*command, **env_of(server))
        untouched = set(server.unchanged_ids())
    ids = [row["id"] for row in rows_of(file)]
    assert (done.returncode, done.stderr) == (0, "")
    assert len(set(ids)) == len(ids)
    assert untouched <= set(ids)
    assert 1_000 < len(untouched) < 3_500


@every_kind
async def test_interrupted_and_resumed(kind, tmp_path):
    file = tmp_path / f"a.{kind}"
    async with MockServer(2_500, latency=0.002) as server:
        moment = lambda: kept_of(file) >= 1_000  # noqa: E731
        code, said = await stopped(signal.SIGINT, moment, "customers", "-o", file, env=env_of(server))
        assert code == 130
        lines = said.splitlines()
        assert lines[0] == "piriod-async: interrupted"
        kept = kept_of(file)
        assert lines[1] == f"{kept:,} customers are kept in {file}.part: add --resume to go on from there"
        assert 0 < kept < 2_500
        if kind != "parquet":
            part = file.with_name(f"part.{kind}")
            part.write_bytes(file.with_name(f"{file.name}.part").read_bytes())
            assert len(rows_of(part)) == kept
        done = await beside("customers", "-o", file, "--resume", **env_of(server))
        expected = [customer["id"] for customer in server.customers()]
    assert (done.returncode, done.stderr) == (0, "")
    assert [row["id"] for row in rows_of(file)] == expected


async def test_interrupted_at_the_very_end(here, tmp_path, monkeypatch):
    """All is there, and is being made Parquet: the resume has nothing to ask for."""
    file = tmp_path / "a.parquet"

    def interrupted(*_):
        raise KeyboardInterrupt

    async with MockServer(250) as server:
        expected = [customer["id"] for customer in server.customers()]
        with monkeypatch.context() as patch:
            patch.setattr("piriod_async.export.arrow_format.stream_to_parquet", interrupted)
            done = await here.beside("customers", "-o", file, **env_of(server))
        assert done.returncode == 130
        assert done.stderr.splitlines()[1].startswith(f"250 customers are kept in {file}.part: add --resume")
        asked = len(server.requests)
        done = await here.beside("customers", "-o", file, "--resume", **env_of(server))
        assert len(server.requests) == asked
    assert (done.returncode, done.stderr) == (0, "")
    assert [row["id"] for row in rows_of(file)] == expected
    assert [path.name for path in tmp_path.iterdir()] == ["a.parquet"]


async def test_a_page_that_cannot_be_written_is_not_lost(here, tmp_path):
    file = tmp_path / "a.parquet"
    async with MockServer(1_500) as server:
        expected = [customer["id"] for customer in server.customers()]
        server.update(expected[1_250], aggregations={"balance": "1" * 30})
        done = await here.beside("customers", "-o", file, **env_of(server))
        assert done.returncode == 1
        assert done.stderr.startswith(f"piriod-async: customer {expected[1_250]}: aggregations=")
        assert "CSV and JSON lines would hold it" in done.stderr
        assert 1_000 < kept_of(file) < 1_250
        server.update(expected[1_250], aggregations={"balance": "1"})
        done = await here.beside("customers", "-o", file, "--resume", **env_of(server))
    assert (done.returncode, done.stderr) == (0, "")
    assert [row["id"] for row in rows_of(file)] == expected


async def test_interrupted_before_anything_came(tmp_path):
    async with MockServer(2_500) as server:
        server.fail(stall=True, times=None)
        moment = (tmp_path / "a.csv.part.state").exists
        done = await stopped(signal.SIGINT, moment, "customers", "-o", tmp_path / "a.csv", env=env_of(server))
    assert done == (130, "piriod-async: interrupted\n")


async def test_a_limit_counts_what_was_kept(tmp_path):
    file = tmp_path / "a.csv"
    options = ("-o", file, "--fields", "id", "--limit", "2100", "--workspace", "acc_1", "--workspace", "acc_2")
    async with MockServer({"acc_1": 1_500, "acc_2": 2_000}, latency=0.004) as server:
        moment = lambda: kept_of(file) >= 1_000  # noqa: E731
        code, _ = await stopped(signal.SIGKILL, moment, "customers", *options, env=env_of(server))
        assert code == -signal.SIGKILL
        await beside("customers", *options, "--resume", **env_of(server))
        expected = [row["id"] for name in server.workspaces for row in server.customers(name)][:2_100]
    assert [row["id"] for row in rows_of(file)] == expected


@pytest.mark.parametrize("ordering", ["-created", "name", ""])
async def test_orderings(ordering, here, tmp_path):
    file = tmp_path / "a.jsonl"
    async with MockServer(2_500) as server:
        server.fail(status=404, page=20)
        server.fail(status=400, page=9)
        options = ("customers", "-o", file, f"--ordering={ordering}")
        failed = await here.beside(*options, **env_of(server))
        server.clear_faults()
        done = await here.beside(*options, "--resume", **env_of(server))
    assert (failed.returncode, done.returncode) == (1, 0)
    assert ("are kept" in failed.stderr) == (ordering == "-created")
    assert len({row["id"] for row in rows_of(file)}) == len(rows_of(file)) == 2_500


OTHERS = {
    "--country": ("--country", "CL"),
    "--created-gte": ("--created-gte", "2024-01-01T00:00:00Z"),
    "--metadata": ("--metadata", "plan=gold"),
    "--ordering": ("--ordering=-created",),
    "--fields": ("--fields", "id,name"),
    "--format": ("--format", "jsonl"),
    "--contacts": ("--contacts", "contacts.csv"),
    "--workspace": ("--workspace", "acc_2"),
    "--test-mode": ("--test-mode",),
    "--raw-cells": ("--raw-cells",),
    "--limit": ("--limit", "5"),
}


async def test_a_resume_of_another_export_is_refused(here, tmp_path):
    file = tmp_path / "a.csv"
    async with MockServer({"acc_1": 300, "acc_2": 300}) as server:
        server.fail(status=403, page=3)
        assert (await here.beside("customers", "-o", file, **env_of(server))).returncode == 1
        before = {path: path.read_bytes() for path in tmp_path.iterdir()}
        for name, other in OTHERS.items():
            done = await here.beside("customers", "-o", file, "--resume", *other, **env_of(server))
            assert done.returncode == 2, name
            assert f"other options: {name} (it was " in done.stderr
            assert "give the same, or start over without --resume" in done.stderr
            assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
        same_ones = ("--page-size", "50", "--concurrency", "2", "-v", "--no-check-filters")
        done = await here.beside("customers", "-o", file, "--resume", *same_ones, **env_of(server))
        assert done.returncode == 0
        assert "page 1 of acc_1" in done.stderr
    assert len(rows_of(file)) == 300


async def test_starting_over_forgets(here, tmp_path):
    file = tmp_path / "a.csv"
    async with MockServer(300) as server:
        server.fail(status=403, page=3)
        assert (await here.beside("customers", "-o", file, **env_of(server))).returncode == 1
        done = await here.beside("customers", "-o", file, "--country", "CL", **env_of(server))
    assert done.returncode == 0
    assert {row["country_id"] for row in rows_of(file)} == {"CL"}
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


# --- every moment ---

CUSTOMERS = [Customer(id=f"cus_{number}", name="Ñandú") for number in range(60)]
OPTIONS = {"--format": "any"}


class Crash(BaseException):
    """The process is gone."""


def export_to(path, kind, *, resume):
    """Export `CUSTOMERS`, ten a page and a commit at every second, as the command does."""
    encoder = {"jsonl": export.JsonLinesEncoder, "csv": export.CsvEncoder, "parquet": ArrowStreamEncoder}[kind]()
    finish = stream_to_parquet if kind == "parquet" else None
    parts = [Part(path, encoder, finish), Part(path.with_name("contacts.csv"), export.ContactsCsvEncoder())]
    files = Files.open(parts, OPTIONS, resume=resume)
    try:
        if not (files.state.complete or files.state.done):
            after = files.state.checkpoints.get("acc_1")
            files.rewind()
            for first in range(int(*after.ids) if after else 0, len(CUSTOMERS), 10):
                files.write(CUSTOMERS[first : first + 10], "acc_1")
                if first % 20:
                    files.commit("acc_1", checkpoint(first + 10))
            files.commit("acc_1", done=True)
        files.complete()
    finally:
        files.close()


def checkpoint(number):
    return Checkpoint(
        ordering="created", created=datetime(2024, 1, 1, tzinfo=UTC), ids=frozenset([str(number)]), query=""
    )


@every_kind
def test_a_crash_at_every_step(kind, tmp_path, monkeypatch):
    """A kill at each system call that others can see the effect of, and bytes that came half onto the disk."""
    export_to(tmp_path / f"whole.{kind}", kind, resume=False)
    whole_contacts = (tmp_path / "contacts.csv").read_bytes()
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
        place = tmp_path / str(crash_at)
        place.mkdir()
        file, steps = place / f"a.{kind}", 0
        try:
            export_to(file, kind, resume=False)
        except Crash:
            steps = -1_000_000
            for part in place.glob("*.part"):
                with part.open("ab") as opened:
                    opened.write(b'{"id": "cus_hal')
            assert not file.exists() or same(file, tmp_path / f"whole.{kind}")
            export_to(file, kind, resume=True)
        assert same(file, tmp_path / f"whole.{kind}"), crash_at
        assert (place / "contacts.csv").read_bytes() == whole_contacts
        assert sorted(path.name for path in place.iterdir()) == sorted([file.name, "contacts.csv"])
        if steps > 0:
            break
    assert crash_at > 30


def test_a_commit_is_due_now_and_then(tmp_path):
    files = Files.open([Part(tmp_path / "a.csv", export.CsvEncoder(["id"]))], OPTIONS, resume=False)
    assert [files.write(CUSTOMERS[:50], "acc_1") for _ in range(COMMIT // 50)] == [False] * (COMMIT // 50 - 1) + [True]
    files.commit("acc_1", checkpoint(1))
    assert files.count == COMMIT
    assert not files.write(CUSTOMERS, "acc_1")
    files.rewind()
    files.commit()
    assert files.count == COMMIT
    files.close()


def test_one_export_to_a_file_at_a_time(tmp_path, monkeypatch):
    parts = [Part(tmp_path / "a.csv", export.CsvEncoder(["id"]))]
    files = Files.open(parts, OPTIONS, resume=False)
    files.write(CUSTOMERS, "acc_1")
    files.commit("acc_1", checkpoint(1))
    for resume in (True, False):
        with pytest.raises(click.UsageError, match="another export is writing"):
            Files.open([Part(tmp_path / "a.csv", export.CsvEncoder(["id"]))], OPTIONS, resume=resume)
    late = os.open(tmp_path / "a.csv.part", os.O_RDWR)  # another that had opened it just before it got its name
    files.complete()
    files.close()
    monkeypatch.setattr(os, "open", lambda *_: late)
    with pytest.raises(click.UsageError, match="another export is writing"):
        Files.open([Part(tmp_path / "a.csv", export.CsvEncoder(["id"]))], OPTIONS, resume=False)
    assert len(rows_of(tmp_path / "a.csv")) == len(CUSTOMERS)


def test_a_part_that_was_tampered_with(tmp_path):
    parts = [Part(tmp_path / "a.csv", export.CsvEncoder(["id"]))]
    files = Files.open(parts, OPTIONS, resume=False)
    files.write(CUSTOMERS, "acc_1")
    files.commit("acc_1", checkpoint(1))
    files.close()
    (tmp_path / "a.csv.part").write_text("id\r\n")
    with pytest.raises(click.UsageError, match="shorter than its state says: start over"):
        Files.open([Part(tmp_path / "a.csv", export.CsvEncoder(["id"]))], OPTIONS, resume=True)
    (tmp_path / "a.csv.part.state").write_text("{")
    with pytest.raises(click.UsageError, match=r"cannot be read .* start over, without --resume"):
        Files.open([Part(tmp_path / "a.csv", export.CsvEncoder(["id"]))], OPTIONS, resume=True)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_link_and_who_may_read_it_stay(kind, here, tmp_path):
    real, link = tmp_path / f"real.{kind}", tmp_path / f"link.{kind}"
    real.touch(mode=0o600)
    link.symlink_to(real)
    assert here("customers", "--sandbox", "3", "-o", link).returncode == 0
    assert link.is_symlink()
    assert len(rows_of(real)) == 3
    assert stat.filemode(real.stat().st_mode) == "-rw-------"
    assert sorted(tmp_path.iterdir()) == [link, real]
