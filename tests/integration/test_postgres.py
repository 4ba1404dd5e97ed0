"""The PostgreSQL server of the tests."""

import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from tests.support import postgres as support

HOLD = """
import sys
from tests.support.postgres import run_postgres
with run_postgres() as cluster:
    print(cluster.folder, flush=True)
    sys.stdin.read()
"""


def test_databases_are_separate_and_dropped(postgres):
    """Each test gets an empty database, and none is left, even with an open connection."""
    with postgres.temporary_database() as one, postgres.temporary_database() as other:
        with psycopg.connect(one) as connection:
            connection.execute("CREATE TABLE customers (id text)")
        open_connection = psycopg.connect(other)
        assert not open_connection.execute("SELECT * FROM pg_tables WHERE tablename = 'customers'").fetchall()
    open_connection.close()
    with postgres.connect() as connection:
        assert not connection.execute("SELECT * FROM pg_database WHERE datname LIKE 'temporary%'").fetchall()


def test_not_installed(monkeypatch):
    """Without PostgreSQL the message says how to install it."""
    monkeypatch.setattr(support, "FOLDERS", [])
    with pytest.raises(support.NotInstalledError, match="initdb, pg_ctl, postgres not found: apt-get install"):
        support.run_postgres().__enter__()


@pytest.mark.usefixtures("postgres")  # skipped where it is not installed
def test_killed_owner():
    """The server stops and its folder is removed when the process that started it is killed."""
    with subprocess.Popen([sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as owner:
        folder = Path(owner.stdout.readline().decode().strip())
        connection = psycopg.connect(f"postgresql://postgres@/postgres?host={folder}")
        owner.kill()
    with connection, pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT pg_sleep(60)")
    while folder.exists():
        time.sleep(0.01)
