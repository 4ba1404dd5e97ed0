"""Locks and fsync, as far as a file system has them. NFS, SMB and FUSE mounts may not."""

import errno
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from attrs import frozen

from piriod_async.export.atomic_file import named_in_errors

_UNSUPPORTED = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL, errno.EBADF}


@frozen
class Lock:
    """The outcome of `lock`.

    Attributes:
        is_held_elsewhere: Whether another process has the lock.
        is_supported: Whether the file system has locks.
    """

    is_held_elsewhere: bool
    is_supported: bool = True


def lock(file: BinaryIO, path: Path) -> Lock:
    """Lock a file until it is closed or the process ends."""
    import portalocker  # noqa: PLC0415 (takes 30 ms, and only exports to files need it)

    try:
        portalocker.lock(file, portalocker.LockFlags.EXCLUSIVE | portalocker.LockFlags.NON_BLOCKING)
    except portalocker.AlreadyLocked:
        return Lock(is_held_elsewhere=True)
    except portalocker.LockException:
        return Lock(is_held_elsewhere=False, is_supported=False)
    try:
        was_renamed = not os.path.samestat(os.fstat(file.fileno()), path.stat())  # before it was locked
    except FileNotFoundError:
        was_renamed = True
    return Lock(is_held_elsewhere=was_renamed)


def fsync(descriptor: int) -> None:
    """Flush a file to disk, if its file system can."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise


def fsync_path(path: Path) -> None:
    """Flush a file, or a directory's entries, to disk."""
    if path.is_dir():
        if sys.platform == "win32":  # cannot open a directory
            return
        with suppress(PermissionError):  # one may write to a directory that one may not read
            _open_and_fsync(path, os.O_RDONLY)
    else:
        _open_and_fsync(path, os.O_RDWR)


def _open_and_fsync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        with named_in_errors(path):
            fsync(descriptor)
    finally:
        os.close(descriptor)


def with_suffix_added(path: Path, suffix: str) -> Path:
    """Return the path with a suffix appended to its name."""
    return path.with_name(path.name + suffix)
