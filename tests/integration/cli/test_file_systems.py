"""File systems without locks, fsync of a folder or permissions: the export continues, or is refused at once."""

import concurrent.futures
import errno
import fcntl
import os
import stat
from pathlib import Path

import pytest

from piriod_async.testing.mock_server import MockServer
from tests.support.command import env_of, read_rows
from tests.support.unprivileged import unprivileged_folder

NO_LOCKS = [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EBADF, errno.EIO]


def failing(error_number, call=None, when=lambda *_: True):
    """Return a call that fails, or fails when a condition holds."""

    def fail(*arguments, **keywords):
        if when(*arguments):
            raise OSError(error_number, os.strerror(error_number))
        return call(*arguments, **keywords)

    return fail


@pytest.mark.parametrize("number", NO_LOCKS)
async def test_no_locks(number, run_cli_in_thread, tmp_path, monkeypatch):
    """Without locks the export says so once, for both of its files, and is complete; so is a resumed one."""
    file = tmp_path / "a.csv"
    command = ("customers", "-o", file, "--contacts-output", tmp_path / "b.csv")
    note = f"piriod-async: {file}.part: its file system has no locks; start no other export to the same file meanwhile"
    monkeypatch.setattr("portalocker.portalocker.LOCKER", failing(number))
    async with MockServer(350) as server:
        done = await run_cli_in_thread(*command, **env_of(server))
        assert (done.returncode, done.stderr) == (0, f"{note}\n")
        complete = file.read_bytes()
        server.fail(status=403, page=3)
        assert (await run_cli_in_thread(*command, **env_of(server))).returncode == 1
        done = await run_cli_in_thread(*command, "--resume", **env_of(server))
    assert (done.returncode, done.stderr) == (0, f"{note}\n")
    assert file.read_bytes() == complete
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "b.csv"]


def test_locks(run_cli, tmp_path):
    """A lock that another process holds is no missing lock: the export is refused."""
    with (tmp_path / "a.csv.part").open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        done = run_cli("customers", "--mock", "3", "-o", tmp_path / "a.csv")
    assert (done.returncode, "another export is writing" in done.stderr) == (2, True)
    assert (tmp_path / "a.csv.part").exists()


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EBADF, errno.ENOSYS, errno.EOPNOTSUPP])
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_no_fsync(suffix, number, run_cli, tmp_path, monkeypatch):
    """A file system that cannot flush a folder, or any file, has no part in the content."""
    monkeypatch.setattr(os, "fsync", failing(number))
    done = run_cli("customers", "--mock", "150", "-o", tmp_path / f"a.{suffix}")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(read_rows(tmp_path / f"a.{suffix}")) == 150


def test_failed_fsync(run_cli, tmp_path, monkeypatch):
    """A disk that fails to flush is an error, and leaves no empty partial file."""
    monkeypatch.setattr(os, "fsync", failing(errno.EIO))
    done = run_cli("customers", "--mock", "150", "-o", tmp_path / "a.csv")
    assert (done.returncode, done.stderr) == (1, f"piriod-async: {tmp_path}: Input/output error\n")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP])
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_no_permissions(suffix, number, run_cli, tmp_path, monkeypatch):
    """A file system with permissions of its own keeps them."""
    (tmp_path / f"a.{suffix}").touch()
    monkeypatch.setattr(os, "chmod", failing(number))
    done = run_cli("customers", "--mock", "150", "-o", tmp_path / f"a.{suffix}")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(read_rows(tmp_path / f"a.{suffix}")) == 150


@pytest.mark.parametrize("number", [errno.EPERM, errno.EEXIST])
async def test_no_rename_over_a_file(number, run_cli_in_thread, tmp_path, monkeypatch):
    """Where a file cannot be renamed over another, an export is refused before its first request."""
    replace = failing(number, Path.replace, lambda _, target: target.exists())
    monkeypatch.setattr(Path, "replace", replace)
    async with MockServer(150) as server:
        done = await run_cli_in_thread("customers", "-o", tmp_path / "a.csv", **env_of(server))
        assert server.requests == []
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        1,
        f"piriod-async: {tmp_path}/a.csv.part.state: {os.strerror(number)}",
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_mounted_file(suffix, run_cli, tmp_path, monkeypatch):
    """A file that is mounted into a container cannot be replaced, so it is overwritten."""
    file = tmp_path / f"a.{suffix}"
    file.write_bytes(b"before" * 100_000)
    number = file.stat().st_ino
    monkeypatch.setattr(Path, "replace", failing(errno.EBUSY, Path.replace, lambda _, target: target == file))
    done = run_cli("customers", "--mock", "150", "-o", file)
    assert (done.returncode, done.stderr) == (0, "")
    assert (len(read_rows(file)), file.stat().st_ino) == (150, number)
    assert list(tmp_path.iterdir()) == [file]


@pytest.fixture
def own_folder(run_cli, tmp_path):
    """A folder of a user without privileges, who runs the test."""
    concurrent.futures.ThreadPoolExecutor(1).shutdown()  # imports all modules
    assert run_cli("customers", "--mock", "1", "-o", tmp_path / "a.parquet").returncode == 0
    with unprivileged_folder() as folder:
        yield folder


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
async def test_read_only_file(suffix, run_cli_in_thread, own_folder):
    """A read-only file is replaced, also by a resumed export, and stays read-only."""
    file = own_folder / f"a.{suffix}"
    file.touch()
    file.chmod(0o440)
    async with MockServer(350) as server:
        for page, code in ((None, 0), (3, 1)):
            if page:
                server.fail(status=403, page=page)
            assert (await run_cli_in_thread("customers", "-o", file, **env_of(server))).returncode == code
        assert stat.S_IMODE((own_folder / f"a.{suffix}.part").stat().st_mode) == 0o640
        done = await run_cli_in_thread("customers", "-o", file, "--resume", **env_of(server))
    assert (done.returncode, done.stderr) == (0, "")
    assert (len(read_rows(file)), stat.S_IMODE(file.stat().st_mode)) == (350, 0o440)
    assert list(own_folder.iterdir()) == [file]


async def refused(run, server, *arguments):
    """Return the error of a command that sends no request."""
    done = await run("customers", *arguments, **env_of(server))
    assert server.requests == []
    return done.returncode, done.stderr


async def test_read_only_folder(run_cli_in_thread, own_folder):
    """A folder that one may not write to is refused before the first request, with the way out."""
    own_folder.chmod(0o555)
    async with MockServer(3) as server:
        code, error = await refused(run_cli_in_thread, server, "-o", own_folder / "a.csv")
    way_out = "choose a file in a folder that you may write to"
    assert (code, error) == (1, f"piriod-async: {own_folder}/a.csv: Permission denied\n{way_out}\n")


def test_unreadable_folder(run_cli, own_folder):
    """A folder that one may write to, but not read, cannot be flushed, and is written to all the same."""
    own_folder.chmod(0o333)
    done = run_cli("customers", "--mock", "3", "-o", own_folder / "a.csv")
    own_folder.chmod(0o755)
    assert (done.returncode, done.stderr) == (0, "")
    assert [path.name for path in own_folder.iterdir()] == ["a.csv"]


async def test_file_of_another_user_in_tmp(run_cli_in_thread, tmp_path, monkeypatch):
    """A file of another user in a folder such as /tmp cannot be replaced, so it is refused before the first request."""
    file = tmp_path / "a.csv"
    file.touch()
    tmp_path.chmod(0o1777)
    monkeypatch.setattr(os, "geteuid", lambda: 4_711)
    async with MockServer(3) as server:
        code, error = await refused(run_cli_in_thread, server, "-o", file)
    message = f"piriod-async: {file}: belongs to another user, who alone may replace it: choose another name"
    assert (code, error.splitlines()[0]) == (2, message)


async def test_nothing_kept(run_cli_in_thread, tmp_path):
    """An export that failed before its first customer leaves no file, also if it discarded another."""
    file = tmp_path / "a.csv"
    async with MockServer(350) as server:
        command = ("customers", "-o", file, "--contacts-output", tmp_path / "b.csv")
        wrong_token = env_of(server, PIRIOD_TOKEN="another")
        assert (await run_cli_in_thread(*command, **wrong_token)).returncode == 1
        assert not list(tmp_path.iterdir())
        server.fail(status=403, page=3)
        assert (await run_cli_in_thread(*command, **env_of(server))).returncode == 1
        assert len(list(tmp_path.iterdir())) == 3
        assert (await run_cli_in_thread(*command, **wrong_token)).returncode == 1
    assert not list(tmp_path.iterdir())


async def test_missing_folder(run_cli_in_thread, tmp_path):
    """A folder that does not exist, or is a file, is named before the first request."""
    (tmp_path / "file").touch()
    async with MockServer(3) as server:
        for name, wrong in (("missing", "the folder {} does not exist"), ("file", "{} is not a folder")):
            commands = [("-o", f"{name}/a{suffix}") for suffix in (".csv", ".jsonl", ".parquet")]
            for options in (*commands, ("-o", "a.csv", "--contacts-output", f"{name}/b.csv")):
                paths = [tmp_path / each if "." in each else each for each in options]
                code, error = await refused(run_cli_in_thread, server, *paths)
                assert (code, "Errno" in error) == (2, False)
                message = f"{paths[-1]}: {wrong.format(tmp_path / name)}: create it first, or choose another name"
                assert error.splitlines()[0] == f"piriod-async: {message}"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
