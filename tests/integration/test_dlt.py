"""Customers loaded with dlt, into DuckDB."""

import asyncio
import gc
import importlib
import re
import sys
from decimal import Decimal

import dlt
import pytest
from dlt.pipeline.exceptions import PipelineStepFailed

from piriod_async import ConfigurationError, QueryError
from piriod_async.integrations.dlt import customers
from piriod_async.testing import MockServer, Mutations

SCD2 = {"disposition": "merge", "strategy": "scd2"}
CURRENT = "SELECT id FROM customers WHERE _dlt_valid_to IS NULL"


@pytest.fixture
def pipeline(tmp_path, monkeypatch):
    """A pipeline into a DuckDB file; it may leave no connection open."""
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path))
    destination = dlt.destinations.duckdb(str(tmp_path / "customers.duckdb"))
    pipeline = dlt.pipeline("customers", destination=destination, dataset_name="piriod")
    yield pipeline
    pipeline.deactivate()
    gc.collect()  # warns of connections that are open


def query(pipeline, sql):
    with pipeline.sql_client() as client:
        return client.execute_sql(sql)


def ids(pipeline, sql="SELECT id FROM customers"):
    rows = query(pipeline, sql)
    assert len(set(rows)) == len(rows)
    return {id_ for (id_,) in rows}


def ids_on(server):
    return {customer["id"] for customer in server.customers()}


def test_replace_while_the_list_moves(pipeline):
    """Each load has every living, untouched customer, and nobody who was removed before it began."""
    with MockServer(120, mutations=Mutations(rate=2)) as server:
        resource = customers(server.session(), page_size=20)
        for _ in range(3):
            server.changes.clear()
            before = ids_on(server)
            pipeline.run(resource)
            touched = {change.id for change in server.changes}
            assert before - touched <= ids(pipeline) <= before | touched
            assert before & touched


def test_scd2_while_the_list_moves(pipeline):
    """Each load keeps every living, untouched customer current, in one version, and retires who is gone."""
    with MockServer(120, mutations=Mutations(rate=2, race=0.5)) as server:
        resource = customers(server.session(), page_size=20)
        for _ in range(3):
            before = ids_on(server)
            pipeline.run(resource, write_disposition=SCD2)
            touched = {change.id for change in server.changes}
            assert ids_on(server) - touched <= ids(pipeline, CURRENT) <= before | touched
        retired = ids(pipeline, "SELECT DISTINCT id FROM customers WHERE _dlt_valid_to IS NOT NULL")
        assert retired
        assert retired <= touched


def test_fields(pipeline):
    """Amounts are decimals, times are timestamps, and free JSON is one column, whatever the first records have."""
    metadata = {"plan": "gold", "a key": [1, None]}
    contacts = [{"id": "con_2", "name": "Íñigo"}, {"id": "con_1", "name": "Begoña"}]
    customer = {"metadata": metadata, "contacts": contacts, "state": {"id": 13, "name": "Región Metropolitana"}}
    with MockServer([customer, {"state": {"id": "USAZ", "name": "Arizona"}}]) as server:
        resource = customers(server.session())
        pipeline.run(resource, write_disposition=SCD2)
        expected = server.customers()[0]
        fields = "state__id, aggregations__balance, created, metadata->>'plan', metadata->'a key'->>0"
        (state, balance, created, plan, number), (other, *_) = query(
            pipeline, f"SELECT {fields} FROM customers ORDER BY created"
        )
        assert (state, other, plan, number) == ("13", "USAZ", "gold", "1")
        assert balance == Decimal(str(expected["aggregations"]["balance"]))
        assert created.timestamp() == expected["created"].timestamp()
        server.update(expected["id"], contacts=contacts[::-1], updated=expected["updated"])
        pipeline.run(resource, write_disposition=SCD2)
        assert query(pipeline, "SELECT count(*) FROM customers") == [(2,)]  # another order is not another version


@pytest.mark.parametrize("disposition", ["replace", SCD2], ids=["replace", "scd2"])
def test_emptied_list(pipeline, disposition):
    """A list without customers is a complete list: nobody is left."""
    with MockServer(3) as server:
        piriod = server.session()
        pipeline.run(customers(piriod), write_disposition=disposition)
        assert ids(pipeline) == ids_on(server)
        for id_ in ids_on(server):
            server.remove(id_)
        pipeline.run(customers(piriod), write_disposition=disposition)
        assert not ids(pipeline, CURRENT if disposition == SCD2 else "SELECT id FROM customers")


def test_failed_load_changes_nothing(pipeline):
    """A load whose list ends in an error leaves the table as it was, and the next one is right."""
    with MockServer(150) as server:
        piriod = server.session()
        pipeline.run(customers(piriod))
        before = ids(pipeline)
        server.remove(min(before))
        failing = server.session(concurrency=1, on_attempt=lambda _: server.fail(status=403))
        with pytest.raises(PipelineStepFailed, match="403"):
            pipeline.run(customers(failing))
        assert [request.status for request in server.requests[-2:]] == [200, 403]
        assert ids(pipeline) == before
        server.clear_faults()
        pipeline.run(customers(piriod))
        assert ids(pipeline) == ids_on(server) == before - {min(before)}


def test_two_workspaces_at_once(pipeline):
    """Resources that share a session are loaded together, into tables of their own; the first to end closes nothing."""
    with MockServer({"acc_1": 3, "acc_2": 100}) as server:
        piriod = server.session()
        pipeline.run([customers(piriod, workspace=name, page_size=20).with_name(name) for name in ("acc_1", "acc_2")])
        assert [query(pipeline, f"SELECT count(*) FROM {name}") for name in ("acc_1", "acc_2")] == [[(3,)], [(100,)]]


def test_stopped_early(pipeline):
    """A resource with a limit ends what is pending."""
    with MockServer(2_500, latency=0.01) as server:
        pipeline.run(customers(server.session(), page_size=20).add_limit(1))
        assert query(pipeline, "SELECT count(*) FROM customers") == [(20,)]
        assert len(server.requests) < 125


async def test_session_in_use(pipeline):
    """A session in use on another event loop is refused, and not disconnected."""
    async with MockServer(3) as server, server.session() as piriod:
        assert await piriod.customers().count() == 3
        with pytest.raises(PipelineStepFailed, match="in use on another event loop"):
            await asyncio.to_thread(pipeline.run, customers(piriod))
        connections = piriod._transport.connections.current
        assert await piriod.customers().count() == 3
        assert piriod._transport.connections.current is connections


def test_invalid_arguments():
    """An argument that `session.customers` refuses, or an ordering that cannot be complete, is refused at once."""
    with MockServer(0) as server:
        with pytest.raises(QueryError, match="country=''"):
            customers(server.session(), country="")
        with pytest.raises(QueryError, match="ordering='name': expected 'created' or '-created'"):
            customers(server.session(), ordering="name")
        with pytest.raises(ConfigurationError, match="workspace"):
            customers(server.session(workspace=None))


def test_not_installed(monkeypatch):
    """Without dlt the message says which extra to install."""
    monkeypatch.setitem(sys.modules, "dlt", None)
    monkeypatch.delitem(sys.modules, "piriod_async.integrations.dlt")
    with pytest.raises(ModuleNotFoundError, match=re.escape("pip install 'piriod-async[dlt]'")):
        importlib.import_module("piriod_async.integrations.dlt")
