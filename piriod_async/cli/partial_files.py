"""Export files that survive a kill -9 and can be resumed.

Data is appended to `NAME.part`. Every thousand customers or so, and at the end of each workspace, there is a *commit*,
which is *saved* at once, or with those of the next small workspaces: the data is flushed to disk, and only then a new
`NAME.part.state` replaces the old one, with the length of the data and the checkpoint to resume from. Whenever the
process dies, the state is that of a commit, and `--resume` truncates the data to its length.

At the end the state is marked complete, the partial file is renamed into place, and the state file is deleted. Parquet
has its index at the end and cannot be appended to, so its partial file is an Arrow stream, converted at the end.
"""

import os
import stat
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from io import BytesIO
from pathlib import Path
from time import monotonic
from typing import Any, BinaryIO

import click
from attrs import define, field
from msgspec.structs import replace

from piriod_async import Checkpoint, Customer
from piriod_async.cli.export_state import ExportState, damaged_error
from piriod_async.cli.file_system import fsync, fsync_path, lock, with_suffix_added
from piriod_async.cli.messages import join_nonempty
from piriod_async.export import Encoder
from piriod_async.export.atomic_file import named_in_errors, permissions_of, replace_file, set_permissions

COMMIT_INTERVAL = 1_000  # customers
SAVE_SECONDS = 1.0  # and as many customers as in a commit: what is exported later may be lost in a crash
WORKING_SUFFIXES = (".part", ".part.tmp", ".part.state", ".part.state.tmp")
_RESUMABLE_ORDERINGS = ("created", "-created")


@define
class PartialFile:
    """A file that is renamed into place when complete.

    Attributes:
        target: The final path.
        encoder: Encodes the customers.
        convert: Converts the partial file (first argument) to the final format; None if it already has it.
        is_locked: Whether no other process can write the partial file.
    """

    target: Path
    encoder: Encoder
    convert: Callable[[Path, Path], None] | None = None
    is_locked: bool = field(default=False, init=False)
    _file: BinaryIO = field(factory=BytesIO, init=False, repr=False)  # replaced by open()
    _is_new: bool = field(default=False, init=False, repr=False)

    @property
    def path(self) -> Path:
        """Where the data is until it is complete."""
        return with_suffix_added(self.target, ".part")

    def open(self) -> None:
        """Open the partial file, for this process only if the file system has locks.

        Raises:
            click.UsageError: Another process is writing it.
        """
        binary = getattr(os, "O_BINARY", 0)  # without it, Windows changes line ends
        with named_in_errors(self.target):
            self._is_new = not self.path.exists()
        with named_in_errors(self.target if self._is_new else self.path):
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | binary, 0o666)
        self._file = os.fdopen(descriptor, "r+b")
        locked = lock(self._file, self.path)
        if locked.is_held_elsewhere:
            self._is_new = False  # the other process may have created it a moment later
            self._file.close()
            raise click.UsageError(f"another export is writing {self.path}: wait for it, or choose another name")
        self.is_locked = locked.is_supported
        permissions = permissions_of(self.target)
        if permissions is not None:  # those of a file that may be read-only, but not to a resume
            set_permissions(self.path, permissions | stat.S_IRUSR | stat.S_IWUSR)

    def truncate(self, size: int) -> None:
        """Drop everything after the first `size` bytes.

        Raises:
            click.UsageError: The file is shorter than that.
        """
        if self._file.seek(0, os.SEEK_END) < size:
            raise click.UsageError(f"{self.path} is shorter than its state says: start over without --resume")
        self._file.seek(size)
        self._file.truncate()

    def write(self, data: bytes) -> None:
        """Append bytes."""
        with named_in_errors(self.path):
            self._file.write(data)

    @property
    def size(self) -> int:
        """Bytes written."""
        return self._file.tell()

    def sync(self) -> None:
        """Flush the file to disk."""
        with named_in_errors(self.path):
            self._file.flush()
            fsync(self._file.fileno())

    def complete(self, size: int) -> None:
        """Convert the first `size` bytes if necessary and rename the result into place, unless that is done already."""
        if not self.path.exists():
            return
        if sys.platform == "win32":
            self._file.close()  # Windows cannot rename an open file; elsewhere it stays open, and so locked
        os.truncate(self.path, size)
        complete = self.path
        if self.convert:
            complete = with_suffix_added(self.path, ".tmp")
            try:
                complete.touch()
                set_permissions(complete, permissions_of(self.path))
                self.convert(self.path, complete)
                fsync_path(complete)
            except OSError:  # a full disk
                complete.unlink(missing_ok=True)
                raise
        permissions = permissions_of(self.target)
        replace_file(complete, self.target)
        set_permissions(self.target, permissions)
        self.path.unlink(missing_ok=True)
        fsync_path(self.target.parent)

    def close(self) -> None:
        """Close the file, which releases the lock."""
        with suppress(OSError):  # a full disk: what cannot be flushed was not committed
            self._file.close()

    def abandon(self, *, delete: bool = False) -> None:
        """Close the file, and delete it if `open` created it, or if asked to."""
        if sys.platform == "win32":
            self.close()  # Windows cannot delete an open file; elsewhere it stays open, and so locked
        if self._is_new or delete:
            self.path.unlink(missing_ok=True)
        self.close()


@define
class ResumableExport:
    """The files of an export and their common state.

    Attributes:
        files: The customers' file, and the contacts' if requested.
        state: The last commit.
        saved: The last commit that is saved.
        note: Says that an interrupted export is discarded, that there is nothing to resume, or that the file system has
            no locks; may be empty.
    """

    files: Sequence[PartialFile]
    state: ExportState
    saved: ExportState = field(init=False)
    note: str = field(default="", init=False)
    _uncommitted: dict[str, int] = field(factory=dict, init=False)
    _unsaved: int = field(default=0, init=False)  # customers
    _saved_at: float = field(factory=monotonic, init=False)

    def __attrs_post_init__(self) -> None:
        self.saved = self.state

    @classmethod
    def open(cls, files: Sequence[PartialFile], options: Mapping[str, Any], *, resume: bool) -> "ResumableExport":
        """Start an export, or resume an interrupted one.

        Args:
            files: The files to write.
            options: Options of the export, as JSON values.
            resume: Whether to resume, if there is an interrupted export.

        Raises:
            click.UsageError: The interrupted export had other options, is damaged, or is still running.
        """
        export = cls(files, ExportState.of_nothing(options))
        export.note = export._load_state(options) if resume else export._describe_discarded()
        with ExitStack() as stack:
            for file in files:
                if file.path.exists() or not export.state.complete:
                    stack.callback(file.abandon)
                    file.open()
            if export.state.sizes and not export.state.complete:
                export.rollback()
            stack.pop_all()
        if not export.state.sizes:
            export._start()
        if unlocked := [str(file.path) for file in files if not (file.is_locked or export.state.complete)]:
            advice = f"{unlocked[0]}: its file system has no locks; start no other export to the same file meanwhile"
            export.note = join_nonempty(export.note, advice)
        return export

    def _load_state(self, options: Mapping[str, Any]) -> str:
        """Load the saved state, if there is one, and return the note."""
        saved = ExportState.read(self.state_path)
        if saved:
            saved.ensure_same_options(options, self.files[0].target)
            if len(saved.sizes) != len(self.files):
                raise damaged_error(self.state_path, f"{len(saved.sizes)} sizes for {len(self.files)} files")
            self.state = self.saved = saved
        if self.state.can_be_resumed:
            return ""
        workspaces, ordering = options.get("--workspace", ()), options.get("--ordering")
        if len(workspaces) == 1 and ordering not in _RESUMABLE_ORDERINGS:
            shown = ordering or "''"
            raise click.UsageError(f"--resume cannot resume --ordering {shown}: expected created or -created")
        found = "nothing is saved of the" if saved else "there is no"
        return f"--resume: {found} interrupted export to {self.files[0].target}; starting from the beginning"

    def _describe_discarded(self) -> str:
        try:
            saved = ExportState.read(self.state_path)
        except click.UsageError:
            return f"discarding the interrupted export in {self.files[0].path}"
        if not (saved and saved.can_be_resumed):
            return ""
        return f"discarding {saved.count:,} customers kept in {self.files[0].path}: --resume would have continued"

    @property
    def state_path(self) -> Path:
        """Where the state is saved."""
        return with_suffix_added(self.files[0].path, ".state")

    @property
    def count(self) -> int:
        """Customers that would survive a crash."""
        return self.saved.count

    def rollback(self) -> None:
        """Discard what was written since the last commit."""
        self._uncommitted.clear()
        for file, size in zip(self.files, self.state.sizes, strict=True):
            file.truncate(size)

    def write(self, customers: Sequence[Customer], workspace: str) -> bool:
        """Append customers and return whether a commit is due."""
        chunks = [file.encoder.encode(customers, workspace) for file in self.files]  # before any write: may raise
        for file, chunk in zip(self.files, chunks, strict=True):
            file.write(chunk)
        self._uncommitted[workspace] = self._uncommitted.get(workspace, 0) + len(customers)
        return self._uncommitted[workspace] >= COMMIT_INTERVAL or self._save_is_due

    def commit(
        self, workspace: str = "", checkpoint: Checkpoint | None = None, *, invalid: int = 0, done: bool = False
    ) -> None:
        """Make a rollback keep everything written so far, and a crash too unless a workspace is done and more follow.

        Args:
            workspace: The workspace that was written.
            checkpoint: Where to resume in it; None if that is unknown.
            invalid: Customers of it that were left out, in this run and before.
            done: Whether the workspace is exported completely.
        """
        customers, checkpoints = dict(self.state.customers), dict(self.state.checkpoints)
        for name, count in self._uncommitted.items():
            customers[name] = customers.get(name, 0) + count
            self._unsaved += count
        if checkpoint:
            checkpoints[workspace] = checkpoint
        if done:
            checkpoints.pop(workspace, None)
        self.state = replace(
            self.state,
            sizes=[file.size for file in self.files],
            customers=customers,
            invalid=self.state.invalid | ({workspace: invalid} if invalid else {}),
            checkpoints=checkpoints,
            done=[*self.state.done, workspace] if done else self.state.done,
        )
        self._uncommitted.clear()
        if not done or self._unsaved >= COMMIT_INTERVAL or self._save_is_due:
            self.save()

    @property
    def _save_is_due(self) -> bool:
        return monotonic() - self._saved_at >= SAVE_SECONDS

    def save(self) -> None:
        """Make the last commit survive a crash."""
        if self.saved == self.state:
            return
        for file in self.files:
            file.sync()
        self.state.save(self.state_path)
        self.saved = self.state  # not before: it says how much is kept
        self._unsaved, self._saved_at = 0, monotonic()

    def complete(self) -> None:
        """Rename the files into place; if that is interrupted, a resume finishes it."""
        self.state = replace(self.state, complete=True)
        self.save()
        for file, size in zip(self.files, self.state.sizes, strict=True):
            file.complete(size)
        self.state_path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the files. Those that are not complete can be resumed; if they hold no customer, they are deleted."""
        if self.count or self.saved.can_be_resumed:
            for file in self.files:
                file.close()
            return
        self.state_path.unlink(missing_ok=True)
        for file in self.files:
            file.abandon(delete=True)

    def _start(self) -> None:
        with ExitStack() as stack:
            for file in self.files:
                stack.callback(file.abandon)
            self.state_path.unlink(missing_ok=True)  # before the truncation: it describes the old data
            stack.callback(self.state_path.unlink, missing_ok=True)
            fsync_path(self.state_path.parent)
            for file in self.files:
                file.truncate(0)
                file.write(file.encoder.header())
                fsync_path(file.target.parent)
            self.commit()
            self.state.save(self.state_path)  # again: some file systems do not rename over a file
            stack.pop_all()
