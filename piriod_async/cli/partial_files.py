"""Files that are written beside their names, survive a kill -9, and can be gone on with.

`NAME.part` grows by whole pieces. Now and then a *commit*: the data is flushed to the disk, and only then a new
`NAME.part.state` takes the old one's place, with the length that it covers and the checkpoint to go on from. Whatever
the moment of a kill, the state is one of a commit, and bytes beyond its length are cut off by `--resume`.

At the end the state says so, the part takes the file's name, and the state goes. A Parquet file has its index at its
end and cannot grow so: its part is an Arrow stream, which is made Parquet at the end, a row group at a time.
"""

import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import click
from attrs import define, field

from piriod_async import Checkpoint, Customer
from piriod_async.cli.export_state import State, suffixed, sync
from piriod_async.export import Encoder

COMMIT = 1_000  # customers after which a commit is due


@define
class Part:
    """One file on its way.

    Attributes:
        path: Its name, when it is whole.
        encoder: What makes its bytes.
        finish: What makes the file of the part, if that is not the file already.
    """

    path: Path
    encoder: Encoder
    finish: Callable[[Path, Path], None] | None = None
    _file: BinaryIO = field(factory=BytesIO, init=False, repr=False)  # until it is open

    @property
    def part(self) -> Path:
        """Where it is until then."""
        return suffixed(self.path, ".part")

    def open(self) -> None:
        """Open the part, for this process alone."""
        binary = getattr(os, "O_BINARY", 0)  # Windows would have its own ends of lines
        self._file = os.fdopen(os.open(self.part, os.O_RDWR | os.O_CREAT | binary, 0o666), "r+b")
        if not _lock(self._file, self.part):
            self._file.close()
            raise click.UsageError(f"another export is writing {self.part}: wait for it, or choose another name")
        if self.path.exists():  # who may not read what is there now, may not read the next
            shutil.copymode(self.path, self.part)

    def cut(self, size: int) -> None:
        """Leave only what counts, and go on behind it."""
        if self._file.seek(0, os.SEEK_END) < size:
            raise click.UsageError(f"{self.part} is shorter than its state says: start over, without --resume")
        self._file.seek(size)
        self._file.truncate()

    def write(self, data: bytes) -> None:
        """Add bytes."""
        self._file.write(data)

    def sync(self) -> int:
        """See that all bytes are on the disk, and return how many."""
        self._file.flush()
        os.fsync(self._file.fileno())
        return self._file.tell()

    def complete(self, size: int) -> None:
        """Give the part the file's name, unless it has it."""
        if not self.part.exists():
            return
        if sys.platform == "win32":
            self._file.close()  # elsewhere it stays open, and so nobody else's, until it has its name
        os.truncate(self.part, size)
        whole = self.part
        if self.finish:
            whole = suffixed(self.part, ".tmp")
            self.finish(self.part, whole)
            shutil.copymode(self.part, whole)
            sync(whole)
        whole.replace(self.path)
        self.part.unlink(missing_ok=True)
        sync(self.path.parent)

    def close(self) -> None:
        """Close the part."""
        self._file.close()


@define
class Files:
    """The file of an export, and the second one of the contacts; or several.

    Attributes:
        parts: They.
        state: What the last commit says.
    """

    parts: Sequence[Part]
    state: State
    _pending: dict[str, int] = field(factory=dict, init=False)

    @classmethod
    def open(cls, parts: Sequence[Part], options: Mapping[str, Any], *, resume: bool) -> "Files":
        """Open files anew, or where an interrupted export left them.

        Args:
            parts: The files.
            options: What is asked for, as JSON can have it.
            resume: Whether to go on, if there is something to go on with.

        Raises:
            click.UsageError: What was interrupted is not what is asked for, or is under way.
        """
        files = cls(parts, State(dict(options)))
        kept = State.read(files.path) if resume else None
        if kept:
            kept.compare(options, parts[0].path)
            files.state = kept
        with ExitStack() as stack:
            for part in parts:
                if part.part.exists() or not files.state.complete:
                    part.open()
                    stack.callback(part.close)
            if not kept:
                files._begin()
            elif not kept.complete:
                files.rewind()
            stack.pop_all()
        return files

    @property
    def path(self) -> Path:
        """Where the state is."""
        return suffixed(self.parts[0].part, ".state")

    @property
    def count(self) -> int:
        """Customers that count."""
        return sum(self.state.customers.values())

    def rewind(self) -> None:
        """Forget what was written since the last commit."""
        self._pending.clear()
        for part, size in zip(self.parts, self.state.sizes, strict=True):
            part.cut(size)

    def write(self, customers: Sequence[Customer], workspace: str) -> bool:
        """Add customers, and return whether a commit is due."""
        pieces = [part.encoder.encode(customers, workspace) for part in self.parts]  # all or, if one raises, none
        for part, piece in zip(self.parts, pieces, strict=True):
            part.write(piece)
        self._pending[workspace] = self._pending.get(workspace, 0) + len(customers)
        return self._pending[workspace] >= COMMIT

    def commit(self, workspace: str = "", checkpoint: Checkpoint | None = None, *, done: bool = False) -> None:
        """Let all that was written count.

        Args:
            workspace: Where from.
            checkpoint: Where to go on there.
            done: Whether there is nothing to go on with there.
        """
        self.state.sizes = [part.sync() for part in self.parts]
        for name, count in self._pending.items():
            self.state.customers[name] = self.state.customers.get(name, 0) + count
        self._pending.clear()
        if checkpoint:
            self.state.checkpoints[workspace] = checkpoint
        if done:
            self.state.done.append(workspace)
            self.state.checkpoints.pop(workspace, None)
        self.state.save(self.path)

    def complete(self) -> None:
        """Give the files their names; once this has begun, a resume ends it."""
        self.state.complete = True
        self.state.save(self.path)
        for part, size in zip(self.parts, self.state.sizes, strict=True):
            part.complete(size)
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the files, and leave them to a resume if they have no names yet."""
        for part in self.parts:
            part.close()

    def _begin(self) -> None:
        self.path.unlink(missing_ok=True)  # first: it does not speak of what comes now
        sync(self.path.parent)
        for part in self.parts:
            part.cut(0)
            part.write(part.encoder.header())
            sync(part.path.parent)
        self.commit()


def _lock(file: BinaryIO, path: Path) -> bool:
    """Keep other exports from writing a file, until it is closed or the process ends; False if another has it."""
    if sys.platform == "win32":
        return True
    import fcntl  # noqa: PLC0415 (there is none on Windows)

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(file.fileno()), path.stat())  # it may have got its name meanwhile
    except (BlockingIOError, FileNotFoundError):
        return False
