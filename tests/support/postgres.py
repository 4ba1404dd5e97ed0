"""A temporary PostgreSQL server: the fixtures `postgres` and `postgres_dsn`, and `run_postgres` for the benchmarks."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
from attrs import define, field

if TYPE_CHECKING:
    import psycopg

FOLDERS = [*map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), os.environ["PATH"]]
SETTINGS = MappingProxyType(
    {
        "listen_addresses": "''",
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        "autovacuum": "off",
        "jit": "off",
    }
)
# Standard input ends when this process does, however it ends: then the server stops, and its folder is removed.
SERVE = """
cd "$folder"
"$initdb" -D data -U postgres -A trust -E UTF8 --locale=C -N > log 2>&1 &&
  "$pg_ctl" -D data -l log -w -s -o "-k $folder $settings" start && echo started
read -r _
"$pg_ctl" -D data -m immediate -w -s stop
cd / && rm -rf "$folder"
"""


class NotInstalledError(Exception):
    """PostgreSQL is not installed; the message says how to install it."""


@define
class Cluster:
    """A running server, reached through a socket in its folder.

    Attributes:
        folder: Holds the data and the socket.
        version: As `postgres --version` prints it.
    """

    folder: Path
    version: str
    _databases: int = field(default=0, init=False)

    def dsn(self, name: str) -> str:
        """Return the address of a database."""
        return f"postgresql://postgres@/{name}?host={self.folder}"

    def connect(self, name: str = "postgres") -> "psycopg.Connection[Any]":
        """Connect to a database. Each statement is committed at once."""
        import psycopg  # noqa: PLC0415  imported only if a test asks for a database

        return psycopg.connect(self.dsn(name), autocommit=True)

    def create(self, name: str) -> None:
        """Create a database."""
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())

    @contextmanager
    def temporary_database(self) -> Iterator[str]:
        """Create a database, yield its address, and drop it, with the connections that are left."""
        self._databases += 1
        name = f"temporary_{self._databases}"
        self.create(name)
        try:
            yield self.dsn(name)
        finally:
            with self.connect() as connection:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@contextmanager
def run_postgres(settings: Mapping[str, str] = SETTINGS) -> Iterator[Cluster]:
    """Start a server, and stop it at the end of the block, or when this process dies.

    Raises:
        NotInstalledError: PostgreSQL is not installed.
    """
    tools = {tool: shutil.which(tool, path=os.pathsep.join(FOLDERS)) for tool in ("initdb", "pg_ctl", "postgres")}
    missing = [tool for tool, path in tools.items() if path is None]
    if missing or os.name == "nt":
        raise NotInstalledError(f"{', '.join(missing) or 'Unix'} not found: apt-get install postgresql")
    # initdb and postgres refuse to run as root; the path of a socket must be short
    user = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    if user:
        shutil.chown(folder, user)
    flags = " ".join(f"-c {name}={value}" for name, value in settings.items())
    server = subprocess.Popen(
        ["/bin/sh", "-c", SERVE],
        env=os.environ | {"folder": str(folder), "settings": flags} | {tool: str(path) for tool, path in tools.items()},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        user=user,
        group=user,
        extra_groups=[] if user else None,
        start_new_session=True,  # Ctrl-C interrupts only this process
    )
    with server:
        assert server.stdout
        if server.stdout.readline() != "started\n":
            log = (folder / "log").read_text(encoding="utf-8")
            raise RuntimeError(f"PostgreSQL does not start: {log}{server.communicate()[1]}")
        version = subprocess.run([str(tools["postgres"]), "--version"], capture_output=True, text=True, check=True)
        try:
            yield Cluster(folder, version.stdout.strip())
        finally:
            server.communicate()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """The PostgreSQL server of this process."""
    try:
        with run_postgres() as cluster:
            yield cluster
    except NotInstalledError as error:
        pytest.skip(str(error))


@pytest.fixture
def postgres_dsn(postgres: Cluster) -> Iterator[str]:
    """The address of an empty PostgreSQL database."""
    with postgres.temporary_database() as dsn:
        yield dsn
