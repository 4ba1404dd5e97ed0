"""Write a file under a temporary name and rename it into place when complete."""

import errno
import os
import secrets
import shutil
import stat
import unicodedata
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TypeAlias

from attrs import define, field

from piriod_async.export.fields import ExportError
from piriod_async.export.threads import run_in_thread
from piriod_async.export.write_all import BinaryWriter

Target: TypeAlias = str | os.PathLike[str] | BinaryWriter
"""A path, or anything with `write(bytes)`, async or not, which stays open."""


@contextmanager
def named_in_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    """Give errors of the system in the block a name that the caller knows, such as that of a file before its rename."""
    try:
        yield
    except OSError as error:
        error.filename = os.fspath(path)
        del error.filename2  # None would be shown
        raise


def resolve_target(path: str | os.PathLike[str]) -> Path:
    """Return the path to write, with symbolic links followed so that the rename replaces the file, not the link.

    Raises:
        ExportError: The path is a directory, a device or a pipe, or its folder does not exist.
        OSError: The folder cannot be searched.
    """
    given = Path(path)
    with named_in_errors(given):
        target = Path(os.path.realpath(given)) if given.is_symlink() else given
        if (given.exists() and not given.is_file()) or target.is_symlink():  # of a circle of links
            raise ExportError(f"{given}: exists and is not a regular file; refusing to overwrite it")
        folder = target.parent
        if folder.is_dir():
            return target
        wrong = f"{folder} is not a folder" if folder.exists() else f"the folder {folder} does not exist"
    raise ExportError(f"{given}: {wrong}: create it first, or choose another name")


def is_same_file(one: Target, other: Target) -> bool:
    """Return whether two targets are one file, however they are spelled.

    Names that do not exist yet and differ only in case count as the same: on many file systems they are.
    """
    if one is other:
        return True
    stats = [_stat(target) for target in (one, other)]
    if stats[0] and stats[1]:
        return os.path.samestat(stats[0], stats[1]) and not stat.S_ISCHR(stats[0].st_mode)  # not a terminal or null
    if any(stats) or not (isinstance(one, str | os.PathLike) and isinstance(other, str | os.PathLike)):
        return False
    folder, other_folder = (Path(os.path.realpath(path)).parent for path in (one, other))
    names = {unicodedata.normalize("NFC", Path(os.path.realpath(path)).name).casefold() for path in (one, other)}
    with suppress(OSError):  # a folder that does not exist
        return len(names) == 1 and folder.samefile(other_folder)
    return len(names) == 1 and folder == other_folder


def _stat(target: Target) -> os.stat_result | None:
    """Return the status of a file that exists."""
    try:
        if isinstance(target, str | os.PathLike):
            return os.stat(target)  # noqa: PTH116 (PathLike)
        return os.fstat(target.fileno())  # type: ignore[attr-defined]
    except (OSError, ValueError, AttributeError, TypeError):  # most writers have no descriptor
        return None


def replace_file(source: Path, target: Path) -> None:
    """Rename a file into place. A target that is a mount, as a file in a container, can only be overwritten.

    Raises:
        OSError: The target cannot be written.
    """
    try:
        source.replace(target)
    except OSError as error:
        if error.errno != errno.EBUSY or not target.is_file():
            raise
        shutil.copyfile(source, target)
        source.unlink()


def permissions_of(path: Path) -> int | None:
    """Return the permissions of a file, or None if it does not exist."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return None


def set_permissions(path: Path, permissions: int | None) -> None:
    """Change the permissions of a file, unless they are None or its file system has none."""
    if permissions is None:
        return
    try:
        path.chmod(permissions)
    except OSError as error:
        if error.errno not in {errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}:
            raise


@asynccontextmanager
async def atomic_open(file: Target) -> AsyncIterator[BinaryWriter]:
    """Open a path for writing: renamed into place at the end of the block, deleted if the block raises.

    Yields anything with `write(bytes)` unchanged.
    """
    if not isinstance(file, str | os.PathLike):
        yield file
        return
    target = await run_in_thread(resolve_target, file)
    temporary = _TemporaryFile(target)
    try:
        with named_in_errors(file):
            opened = await run_in_thread(temporary.open)
        yield opened
        with named_in_errors(file):
            await run_in_thread(temporary.rename)
    except BaseException:
        await run_in_thread(temporary.delete)
        raise


@define
class _TemporaryFile:
    """The file beside a target that replaces it at the end."""

    target: Path
    path: Path = field(init=False)
    _file: BinaryIO | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        # a unique name allows concurrent writers
        self.path = self.target.with_name(f"{self.target.name}.{secrets.token_hex(4)}.tmp")

    def open(self) -> BinaryIO:
        self._file = self.path.open("xb")
        set_permissions(self.path, permissions_of(self.target))  # a replaced file keeps its own
        return self._file

    def rename(self) -> None:
        if self._file:
            self._file.close()
        replace_file(self.path, self.target)

    def delete(self) -> None:
        if not self._file:
            return  # it could not be made
        with suppress(OSError):  # a full disk: what is in the buffer cannot be flushed
            self._file.close()
        self.path.unlink(missing_ok=True)
