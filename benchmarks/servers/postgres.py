"""Customers in a temporary PostgreSQL server, and how much time its statements took."""

from datetime import datetime
from typing import Any, Self

import psycopg
from attrs import frozen

from tests.support.postgres import SETTINGS, Cluster

WORKSPACE = "acc_reference"  # as in tests/contract/reference/server.py
MEASURED_SETTINGS = {
    **SETTINGS,
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.track_planning": "on",
    "shared_buffers": "1GB",
    "max_wal_size": "4GB",
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


@frozen
class CustomerDatabase:
    """A database of customers."""

    cluster: Cluster
    name: str

    @classmethod
    def create(cls, cluster: Cluster, name: str) -> Self:
        """Create a database. Django makes its tables."""
        cluster.create(name)
        database = cls(cluster, name)
        with database._connect() as connection:
            connection.execute("CREATE EXTENSION pg_stat_statements")
        return database

    @property
    def django(self) -> dict[str, Any]:
        """An entry of Django's `DATABASES`; each thread keeps its connection."""
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": self.name,
            "HOST": str(self.cluster.folder),
            "USER": "postgres",
            "CONN_MAX_AGE": None,
        }

    def fill(self, size: int) -> None:
        """Insert customers, each with a contact and a source."""
        with self._connect() as connection, psycopg.ClientCursor(connection) as cursor:
            cursor.execute(INSERT_CUSTOMERS, {"workspace": WORKSPACE, "size": size})
            cursor.execute("VACUUM ANALYZE")

    def created(self) -> list[datetime]:
        """`created` of all customers, in order."""
        with self._connect() as connection:
            rows = connection.execute("SELECT created FROM reference_customer ORDER BY created").fetchall()
        return [created for (created,) in rows]

    def reset_statistics(self) -> None:
        """Start a measurement."""
        with self._connect() as connection:
            connection.execute("SELECT pg_stat_statements_reset()")

    def statement_seconds(self) -> float:
        """Seconds that Django's statements took since the measurement started: planning and execution."""
        query = """
            SELECT coalesce(sum(total_exec_time + total_plan_time), 0) / 1000 FROM pg_stat_statements
            WHERE dbid = (SELECT oid FROM pg_database WHERE datname = %s) AND query LIKE '%%"%%'
        """
        with self._connect() as connection:
            row = connection.execute(query, [self.name]).fetchone()
        return float(row[0]) if row else 0.0

    def _connect(self) -> psycopg.Connection[Any]:
        return self.cluster.connect(self.name)
