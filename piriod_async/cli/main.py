"""The command line: `piriod-async`, or `python -m piriod_async`. Needs the extra `cli`."""

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: What stands behind the program's name; the process's own if None.

    Returns:
        The exit code; `--help` says what each means.
    """
    try:
        from piriod_async.cli.commands import run  # noqa: PLC0415 (it needs what may not be installed)
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] not in ("click", "rich"):
            raise
        sys.stderr.write("piriod-async: the command line needs click and rich: pip install 'piriod-async[cli]'\n")
        return 2
    return run(arguments)
