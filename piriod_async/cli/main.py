"""Entry point of `piriod-async` and `python -m piriod_async`."""

import sys
from collections.abc import Sequence

from piriod_async.cli.signals import INTERRUPTED, handle_signals


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Command-line arguments without the program's name; those of the process if None.

    Returns:
        The exit code. `--help` lists them.
    """
    with handle_signals() as interruption:
        try:
            code = _run(arguments)
        except KeyboardInterrupt:
            return interruption.exit_code
        return interruption.exit_code if code == INTERRUPTED else code


def _run(arguments: Sequence[str] | None) -> int:
    try:
        from piriod_async.cli.commands import run  # noqa: PLC0415 (needs an extra, and takes a while)

        return run(arguments)
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] not in ("click", "portalocker", "rich"):
            raise
        sys.stderr.write("piriod-async: the command line needs more packages: pip install 'piriod-async[cli]'\n")
        return 2
