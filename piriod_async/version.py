"""The version of the installed distribution."""

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("piriod-async")
except PackageNotFoundError:  # frozen by PyInstaller, vendored, or a copy of the sources
    VERSION = "unknown"
