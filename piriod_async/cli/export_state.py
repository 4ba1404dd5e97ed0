"""The state file of an interrupted export: how much of it is valid, and where to resume."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

import click
import msgspec

from piriod_async import Checkpoint
from piriod_async.cli.file_system import fsync_path, with_suffix_added
from piriod_async.plain_text import sanitize_line

_Count = Annotated[int, msgspec.Meta(ge=0)]


class ExportState(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The export as of its last commit. No field has a default, so that none can be missing from a damaged file.

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
    sizes: list[_Count]
    customers: dict[str, _Count]
    invalid: dict[str, _Count]
    checkpoints: dict[str, Checkpoint]
    done: list[str]
    complete: bool

    def __post_init__(self) -> None:
        workspaces = set(self.options.get("--workspace", ()))
        unknown = {*self.customers, *self.invalid, *self.done, *self.checkpoints} - workspaces
        if unknown:
            raise ValueError(f"a workspace that was not exported: {', '.join(sorted(unknown))}")
        if len(set(self.done)) < len(self.done) or not self.checkpoints.keys() <= self.customers.keys() - set(
            self.done
        ):
            raise ValueError("done, customers and checkpoints contradict each other")
        if any(checkpoint.ordering != self.options.get("--ordering") for checkpoint in self.checkpoints.values()):
            raise ValueError("a checkpoint of another ordering")

    @classmethod
    def of_nothing(cls, options: Mapping[str, Any]) -> Self:
        """Return the state of an export that has not begun."""
        return cls(options=dict(options), sizes=[], customers={}, invalid={}, checkpoints={}, done=[], complete=False)

    @property
    def count(self) -> int:
        """Customers written."""
        return sum(self.customers.values())

    @property
    def can_be_resumed(self) -> bool:
        """Whether a resume has less to do than a new export."""
        return bool(self.complete or self.done or self.checkpoints)

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
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise damaged_error(path, str(error)) from error

    def save(self, path: Path) -> None:
        """Replace the saved state atomically and durably."""
        temporary = with_suffix_added(path, ".tmp")
        try:
            temporary.write_bytes(msgspec.json.encode(self))
            fsync_path(temporary)
            temporary.replace(path)
        except OSError as error:  # a full disk, or one that does not rename over a file
            error.filename = path
            temporary.unlink(missing_ok=True)
            raise
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


def damaged_error(path: Path, reason: str) -> click.UsageError:
    """Return the error for a file of an interrupted export that cannot be resumed."""
    return click.UsageError(f"{path} is not valid ({sanitize_line(reason)}): start over without --resume")


def _format_value(value: Any) -> str:
    if value is None or value is False:
        return "not given"
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
