"""The state file of an interrupted export: how much of it is valid, and where to resume."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import click
import msgspec
from attrs import define, field

from piriod_async import Checkpoint


@define
class ExportState:
    """The export as of its last commit.

    Attributes:
        options: Options of the export, which a resume must repeat.
        sizes: Valid bytes of each partial file.
        customers: Customers written, by workspace.
        invalid: Customers left out, by workspace.
        checkpoints: Where to resume, by workspace.
        done: Workspaces that are exported completely.
        complete: Whether only the final rename is left to do.
    """

    options: dict[str, Any]
    sizes: list[int] = field(factory=list)
    customers: dict[str, int] = field(factory=dict)
    invalid: dict[str, int] = field(factory=dict)
    checkpoints: dict[str, Checkpoint] = field(factory=dict)
    done: list[str] = field(factory=list)
    complete: bool = False

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Return the saved state, or None if there is no file.

        Raises:
            click.UsageError: The file is not a valid state.
        """
        try:
            return msgspec.json.decode(path.read_bytes(), type=cls)
        except FileNotFoundError:
            return None
        except (msgspec.DecodeError, UnicodeError) as error:
            raise click.UsageError(f"{path} is not valid ({error}): start over without --resume") from error

    def save(self, path: Path) -> None:
        """Replace the saved state atomically and durably."""
        temporary = with_suffix_added(path, ".tmp")
        temporary.write_bytes(msgspec.json.encode(self))
        fsync_path(temporary)
        temporary.replace(path)
        fsync_path(path.parent)

    def ensure_same_options(self, options: Mapping[str, Any], path: Path) -> None:
        """Check that a resumed export has the options of the interrupted one.

        Args:
            options: Options of the resumed export.
            path: Its output file, for the message.

        Raises:
            click.UsageError: An option differs.
        """
        changed = [name for name in {**self.options, **options} if self.options.get(name) != options.get(name)]
        if changed:
            previous = ", ".join(f"{name} (was {_format_value(self.options.get(name))})" for name in changed)
            raise click.UsageError(
                f"the interrupted export to {path} had different options: {previous}; "
                "use the same ones, or start over without --resume"
            )


def _format_value(value: Any) -> str:
    if value is None or value is False:
        return "not given"
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def with_suffix_added(path: Path, suffix: str) -> Path:
    """Return the path with a suffix appended to its name."""
    return path.with_name(path.name + suffix)


def fsync_path(path: Path) -> None:
    """Flush a file, or a directory's entries, to disk."""
    if sys.platform == "win32" and path.is_dir():  # Windows cannot open a directory
        return
    descriptor = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
