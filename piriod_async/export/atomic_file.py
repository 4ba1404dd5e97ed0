"""Write a file under a temporary name and rename it into place when complete."""

import asyncio
import os
import secrets
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TypeAlias

from piriod_async.export.fields import ExportError

Target: TypeAlias = str | os.PathLike[str] | BinaryIO
"""A path, or a file open for writing bytes, which stays open."""


def resolve_target(path: str | os.PathLike[str]) -> Path:
    """Return the path to write, with symbolic links followed so that the rename replaces the file, not the link.

    Raises:
        ExportError: The path is a directory, a device or a pipe.
    """
    target = Path(path)
    if target.exists() and not target.is_file():
        raise ExportError(f"{os.fspath(path)}: exists and is not a regular file; refusing to overwrite it")
    return target.resolve() if target.is_symlink() else target


@asynccontextmanager
async def atomic_open(file: Target) -> AsyncIterator[BinaryIO]:
    """Open a path for writing: renamed into place at the end of the block, deleted if the block raises.

    Yields an open file unchanged.
    """
    if not isinstance(file, str | os.PathLike):
        yield file
        return
    target = await asyncio.to_thread(resolve_target, file)
    temporary = target.with_name(f"{target.name}.{secrets.token_hex(4)}.tmp")  # unique: allows concurrent writers
    opened = await asyncio.to_thread(temporary.open, "xb")
    try:
        with suppress(FileNotFoundError):  # a replaced file keeps its permissions
            await asyncio.to_thread(shutil.copymode, target, temporary)
        yield opened
        await asyncio.to_thread(opened.close)
        await asyncio.to_thread(temporary.replace, target)
    except BaseException:
        await asyncio.to_thread(opened.close)
        await asyncio.to_thread(temporary.unlink, missing_ok=True)
        raise
