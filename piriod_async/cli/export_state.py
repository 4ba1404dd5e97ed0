"""What an interrupted export leaves to the one that goes on with it."""

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
class State:
    """What a commit says.

    Attributes:
        options: What was asked for; a resume must ask for the same.
        sizes: Bytes of each part that count.
        customers: How many of each workspace are in them.
        checkpoints: Where to go on in each workspace.
        done: Workspaces that are whole.
        complete: Whether all there is to write is written.
    """

    options: dict[str, Any]
    sizes: list[int] = field(factory=list)
    customers: dict[str, int] = field(factory=dict)
    checkpoints: dict[str, Checkpoint] = field(factory=dict)
    done: list[str] = field(factory=list)
    complete: bool = False

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Return what was saved, or None if nothing was.

        Raises:
            click.UsageError: It cannot be read.
        """
        try:
            return msgspec.json.decode(path.read_bytes(), type=cls)
        except FileNotFoundError:
            return None
        except (msgspec.DecodeError, UnicodeError) as error:
            raise click.UsageError(f"{path} cannot be read ({error}): start over, without --resume") from error

    def save(self, path: Path) -> None:
        """Put it in the place of what was saved before, whole or not at all."""
        beside = suffixed(path, ".tmp")
        beside.write_bytes(msgspec.json.encode(self))
        sync(beside)
        beside.replace(path)
        sync(path.parent)

    def compare(self, options: Mapping[str, Any], path: Path) -> None:
        """See that an export asks for the same.

        Raises:
            click.UsageError: It does not.
        """
        differ = [name for name in {**self.options, **options} if self.options.get(name) != options.get(name)]
        if differ:
            were = ", ".join(f"{name} (it was {_shown(self.options.get(name))})" for name in differ)
            raise click.UsageError(
                f"the interrupted export to {path} had other options: {were}; "
                "give the same, or start over without --resume"
            )


def _shown(value: Any) -> str:
    if value is None or value is False:
        return "not given"
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def suffixed(path: Path, suffix: str) -> Path:
    """Return the path with more behind its name."""
    return path.with_name(path.name + suffix)


def sync(path: Path) -> None:
    """See that a file, or a directory's list of names, is on the disk."""
    if sys.platform == "win32" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
