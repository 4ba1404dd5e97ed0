"""Another user, for whom permissions count: root may do everything."""

import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

NOBODY = 65_534


@contextmanager
def unprivileged_folder():
    """Yield a folder of a user without privileges, who runs the block.

    The user may not read the modules, so all that the block needs must be imported already.
    """
    with TemporaryDirectory() as folder:
        if os.geteuid() != 0:
            yield Path(folder)
            return
        shutil.chown(folder, NOBODY)
        os.seteuid(NOBODY)
        try:
            yield Path(folder)
        finally:
            os.seteuid(0)
