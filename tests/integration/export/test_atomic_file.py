"""Files given by path: renamed into place when complete, or left alone."""

import asyncio
import errno
import os
import stat

import pytest

from piriod_async import export
from tests.support.customers import FULL, MINIMAL, failing_stream, stream
from tests.support.unprivileged import unprivileged_folder

pytestmark = pytest.mark.usefixtures("no_leaks")


async def test_failure_keeps_old_file(write, tmp_path):
    """A failed export leaves the existing file, and no temporary one."""
    path = tmp_path / "customers"
    assert await write(stream(FULL), str(path)) == 1
    before = path.read_bytes()
    with pytest.raises(ConnectionError):
        await write(failing_stream(*[MINIMAL] * 250), path)
    assert [file.name for file in tmp_path.iterdir()] == ["customers"]
    assert path.read_bytes() == before


async def test_concurrent_writers(write, tmp_path):
    """Two exports to one path do not mix: the last to end wins."""
    path = tmp_path / "customers"
    await write(stream(FULL), tmp_path / "one")
    assert await asyncio.gather(write(stream(*[MINIMAL] * 250), path), write(stream(FULL), path)) == [250, 1]
    await write(stream(*[MINIMAL] * 250), tmp_path / "other")
    assert path.read_bytes() in [(tmp_path / name).read_bytes() for name in ("one", "other")]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["customers", "one", "other"]


async def test_link_and_mode_stay(write, tmp_path):
    """The file behind a symbolic link is replaced, and keeps its permissions."""
    (tmp_path / "real").touch(mode=0o600)
    (tmp_path / "link").symlink_to("real")
    assert await write(stream(FULL), tmp_path / "link") == 1
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").stat().st_size
    assert stat.filemode((tmp_path / "real").stat().st_mode) == "-rw-------"


async def test_not_a_regular_file(write, tmp_path):
    """A directory, a pipe, or a link to itself is refused, and stays."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("link")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "link"):
        with pytest.raises(
            export.ExportError, match=f"^{path}: exists and is not a regular file; refusing to overwrite"
        ):
            await write(stream(FULL), path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["link", "pipe"]


async def test_missing_folder(write, tmp_path, monkeypatch):
    """The error names the path as it was given, and says what is wrong with its folder; no customer is read."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("missing/a")
    for path, wrong in (
        ("missing/a", "the folder missing does not exist"),
        (tmp_path / "missing" / "b" / "a", f"the folder {tmp_path}/missing/b does not exist"),
        ("file/a", "file is not a folder"),
        ("link", f"the folder {tmp_path}/missing does not exist"),
    ):
        with pytest.raises(export.ExportError, match=f"^{path}: {wrong}: create it first, or choose another name$"):
            await write(failing_stream(), path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "link"]


async def test_missing_folder_of_the_contacts(tmp_path):
    """The file of the customers is not left behind if that of the contacts cannot be made."""
    with pytest.raises(export.ExportError, match=f"^{tmp_path}/missing/b.csv: the folder {tmp_path}/missing does not"):
        await export.write_csv(failing_stream(), tmp_path / "a.csv", contacts=tmp_path / "missing/b.csv")
    assert list(tmp_path.iterdir()) == []


async def test_system_errors_name_the_path(write, tmp_path):
    """An error of the system names the path as it was given, not the temporary file."""
    path = tmp_path / ("n" * 250)  # a name that the temporary file's suffix makes too long
    with pytest.raises(OSError, match=rf"^\[Errno {errno.ENAMETOOLONG}\] [^:]*: '{path}'$"):
        await write(failing_stream(), path)
    path = tmp_path / "a"

    async def customers():
        yield MINIMAL
        await asyncio.to_thread(path.mkdir)

    with pytest.raises(IsADirectoryError, match=rf"^\[Errno {errno.EISDIR}\] [^:]*: '{path}'$"):
        await write(customers(), path)
    assert list(tmp_path.iterdir()) == [path]


async def test_no_permission(write, tmp_path):
    """A folder that one may not write to, or not even search, is an error of the system with the path as given."""
    await write(stream(MINIMAL), tmp_path / "a")  # imports all modules
    with unprivileged_folder() as folder:
        for mode in (0o555, 0o000):
            folder.chmod(mode)
            with pytest.raises(PermissionError, match=rf"Permission denied: '{folder}/a'$"):
                await write(failing_stream(), folder / "a")
        folder.chmod(0o755)
        assert list(folder.iterdir()) == []


async def test_open_file(write, tmp_path):
    """A file given open has the same content, and stays open."""
    with (tmp_path / "a").open("wb") as file:
        await write(stream(FULL, MINIMAL), file)
        assert not file.closed
    await write(stream(FULL, MINIMAL), tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


async def test_contacts_need_their_own_file(tmp_path):
    """Customers and contacts cannot go to the same file."""
    with pytest.raises(export.ExportError, match="expected a different file"):
        await export.write_csv(stream(MINIMAL), tmp_path / "a.csv", contacts=str(tmp_path / "a.csv"))
    assert list(tmp_path.iterdir()) == []
