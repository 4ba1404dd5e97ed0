"""Where a file appears that is written beside its name until it is whole."""

import os
from pathlib import Path

from piriod_async.export.fields import ExportError


def place_of(path: str | os.PathLike[str]) -> Path:
    """Return where a file of this name goes: through symbolic links, which stay.

    Raises:
        ExportError: Something is there that a file must not replace: a directory, a device, a pipe.
    """
    place = Path(path)
    if place.exists() and not place.is_file():
        raise ExportError(f"{os.fspath(path)}: expected a file's name; what is there is none, and is not replaced")
    return place.resolve() if place.is_symlink() else place
