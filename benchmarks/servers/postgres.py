"""A temporary PostgreSQL server, and how much time its statements took."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from attrs import frozen

WORKSPACE = "acc_reference"  # as in tests/contract/reference/server.py
OPTIONS = {
    "listen_addresses": "''",
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.track_planning": "on",
    "fsync": "off",
    "synchronous_commit": "off",
    "shared_buffers": "1GB",
    "max_wal_size": "4GB",
    "jit": "off",
    "autovacuum": "off",
}
INSERT_CUSTOMERS = """
INSERT INTO reference_workspace (id) VALUES (%(workspace)s) ON CONFLICT DO NOTHING;
INSERT INTO reference_country (id, name, code, has_regulation, currencies)
  VALUES ('CL', 'Chile', '+56', true, '["CLP"]');
INSERT INTO reference_customer (
  id, workspace_id, test_mode, name, address, country_id, state, currency, email, phone, website, zip_code, manager,
  reference, tax_id, tax_settings, metadata, send_invoices, send_collections, send_vouchers, status, contacts, sales,
  sales_current_period, balance, created, updated
) SELECT
  'cus_' || lpad(n::text, 20, '0'), %(workspace)s, false, 'Panadería Los Álamos ' || n, 'Av. Providencia ' || n, 'CL',
  '{"id": 13, "name": "Región Metropolitana", "country": "CL"}', 'CLP', 'contacto@panaderia' || n || '.cl',
  '+56912345678', 'https://www.panaderia' || n || '.cl/', NULL, 'Begoña Núñez Soto', 'ERP-' || n, '76.123.456-0',
  '{"cl_activity_description": "Elaboración de pan"}', '{"plan": "gold", "segment": "pyme"}', true, true, true,
  'active',
  jsonb_build_array(jsonb_build_object(
    'id', 'con_' || n, 'customer', 'cus_' || lpad(n::text, 20, '0'), 'orgunit', NULL, 'name', 'Íñigo Peña Soto',
    'email', 'inigo@panaderia' || n || '.cl', 'phone', '+56912345678', 'invoicing', true, 'collections', false,
    'created', '2020-01-01T00:00:00.123457Z', 'updated', '2020-01-01T00:00:00.123457Z')),
  n * 1.25, n * 0.5, 0, timestamptz '2020-01-01 00:00:00.000001Z' + n * interval '37.000007 s', now()
FROM generate_series(1, %(size)s) AS n;
INSERT INTO reference_source (id, customer_id)
  SELECT 'src_' || n, 'cus_' || lpad(n::text, 20, '0') FROM generate_series(1, %(size)s) AS n;
"""


class NotInstalledError(Exception):
    """PostgreSQL is not installed; the message says how to install it."""


@frozen
class Cluster:
    """A running server, reached through a socket in its folder.

    Attributes:
        folder: Holds the data and the socket.
        version: As `postgres --version` prints it.
    """

    folder: Path
    version: str

    def django(self, name: str) -> dict[str, Any]:
        """An entry of Django's `DATABASES`; each thread keeps its connection."""
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": name,
            "HOST": str(self.folder),
            "USER": "postgres",
            "CONN_MAX_AGE": None,
        }

    def create(self, name: str) -> None:
        """Create a database. Django makes its tables."""
        with self._connect("postgres") as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        with self._connect(name) as connection:
            connection.execute("CREATE EXTENSION pg_stat_statements")

    def fill(self, name: str, size: int) -> None:
        """Insert customers, each with a contact and a source."""
        with self._connect(name) as connection, psycopg.ClientCursor(connection) as cursor:
            cursor.execute(INSERT_CUSTOMERS, {"workspace": WORKSPACE, "size": size})
            cursor.execute("VACUUM ANALYZE")

    def created(self, name: str) -> list[datetime]:
        """`created` of all customers, in order."""
        with self._connect(name) as connection:
            rows = connection.execute("SELECT created FROM reference_customer ORDER BY created").fetchall()
        return [created for (created,) in rows]

    def reset_statistics(self, name: str) -> None:
        """Start a measurement."""
        with self._connect(name) as connection:
            connection.execute("SELECT pg_stat_statements_reset()")

    def statement_seconds(self, name: str) -> float:
        """Seconds that Django's statements took since the measurement started: planning and execution."""
        query = """
            SELECT coalesce(sum(total_exec_time + total_plan_time), 0) / 1000 FROM pg_stat_statements
            WHERE dbid = (SELECT oid FROM pg_database WHERE datname = %s) AND query LIKE '%%"%%'
        """
        with self._connect(name) as connection:
            row = connection.execute(query, [name]).fetchone()
        return float(row[0]) if row else 0.0

    def _connect(self, name: str) -> psycopg.Connection[Any]:
        return psycopg.connect(host=str(self.folder), user="postgres", dbname=name, autocommit=True)


@contextmanager
def run_postgres() -> Iterator[Cluster]:
    """Start a server, and stop it at the end of the block.

    Raises:
        NotInstalledError: PostgreSQL is not installed.
    """
    folders = [*map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), os.environ["PATH"]]
    tools = {tool: shutil.which(tool, path=":".join(folders)) for tool in ("initdb", "pg_ctl", "postgres")}
    if missing := [tool for tool, path in tools.items() if path is None]:
        raise NotInstalledError(f"{', '.join(missing)} not found: apt-get install postgresql")
    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp", ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary)
        if os.geteuid() == 0:  # initdb and postgres refuse to run as root
            shutil.chown(folder, "postgres")
        data, options = str(folder / "data"), " ".join(f"-c {name}={value}" for name, value in OPTIONS.items())
        pg_ctl = [str(tools["pg_ctl"]), "-D", data, "-l", str(folder / "log"), "-w", "-s"]
        _run([str(tools["initdb"]), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"])
        _run([*pg_ctl, "-o", f"-k {folder} {options}", "start"])
        try:
            yield Cluster(folder, _run([str(tools["postgres"]), "--version"]).strip())
        finally:
            _run([*pg_ctl, "-m", "immediate", "stop"])


def _run(command: Sequence[str]) -> str:
    as_postgres = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    done = subprocess.run([*as_postgres, *command], capture_output=True, text=True, check=False, cwd="/tmp")
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr or done.stdout}")
    return done.stdout
