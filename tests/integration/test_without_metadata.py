"""The package works where its distribution's metadata is missing: frozen, vendored, or run from its sources."""

import subprocess
import sys

CODE = """
import importlib.metadata as metadata

found = metadata.version

def version(name):
    if name == "piriod-async":
        raise metadata.PackageNotFoundError(name)
    return found(name)

metadata.version = version

import piriod_async
from piriod_async.cli.main import main
from piriod_async.transport.sender import _DEFAULT_HEADERS

print(_DEFAULT_HEADERS["User-Agent"])
"""


def test_import() -> None:
    """The package and its command line can be imported, and the version is unknown."""
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.startswith("piriod-async/unknown aiohttp/")
