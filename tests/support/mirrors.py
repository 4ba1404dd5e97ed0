"""The contents of a mirror, as its readers see them."""

import sqlite3
from contextlib import closing

import psycopg


async def ids_in(mirror, **options):
    """Return the ids of the customers in a mirror, sorted."""
    return sorted([customer.id async for _, customer in mirror.customers(**options)])


async def changes_in(mirror, **options):
    """Return (run, kind, id) of the changes in a mirror."""
    return [(change.run, change.kind, change.id) async for change in mirror.changes(**options)]


def query(database, sql, *values):
    """Return the rows of a query by another connection, as any program may send it."""
    if "://" in database:
        with psycopg.connect(database, autocommit=True) as connection:
            cursor = connection.execute(sql.replace("?", "%s"), values)
            return cursor.fetchall() if cursor.description else []
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        return connection.execute(sql, values).fetchall()


def ids_on(server, workspace=None):
    """Return the ids of the customers that a mock server has, sorted."""
    return sorted(customer["id"] for customer in server.customers(workspace))


def everything_staged(database):
    """Return how many rows belong to a run that is not complete."""
    last = "(select complete_run from piriod_mirror)"
    sql = f"select count(*) from piriod_versions where run_from > {last} or run_to > {last}"
    return query(database, sql)[0][0]
