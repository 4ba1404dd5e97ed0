"""Datasets: complete, one table for every reader, and not read twice."""

import json

import duckdb
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest

from piriod_async import DecodeError, PermissionDeniedError
from piriod_async.export import ExportError
from piriod_async.integrations.dask import customers_to_parquet
from piriod_async.testing import MockServer
from piriod_async.testing.mock_server import Unchecked
from tests.support.dataset import expected_ids, ids_by_workspace


def test_all_customers(server, client, tmp_path):
    """Every customer of every workspace is there once, in order; a workspace without customers has an empty file."""
    report = customers_to_parquet(server.workspaces, tmp_path, client=client, workspaces_per_task=3)
    expected = expected_ids(server)
    assert ids_by_workspace(tmp_path) == expected
    assert report.complete == {workspace: len(expected.get(workspace, [])) for workspace in server.workspaces}
    assert (report.skipped, report.errors, report.invalid, report.throttled) == ({}, {}, {}, 0)
    assert report.requests == len(server.requests)
    assert pq.read_metadata(tmp_path / "workspace=acc_0" / "customers.parquet").num_rows == 0
    assert json.loads((tmp_path / "_report.json").read_bytes()) == report.to_dict()
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == [
        "_report.json",
        *["customers.parquet"] * len(server.workspaces),
    ]


def test_one_table_for_every_reader(serve, client, tmp_path):
    """DuckDB, polars and pandas read exact decimals, UTC times, and the workspace that needs quoting."""
    with MockServer({"acc_1": 150, "acc/2=%": 50, "acc_empty": 0}) as server:
        serve(server)
        customers_to_parquet(server.workspaces, tmp_path, client=client)
        expected = {(name, each) for name, ids in expected_ids(server).items() for each in ids}
    files = f"{tmp_path}/**/*.parquet"
    duck = duckdb.sql(f"select workspace, id, aggregations.balance, created from read_parquet('{files}')")
    polar = pl.scan_parquet(files, hive_partitioning=True).select("workspace", "id", "aggregations", "created")
    panda = pd.read_parquet(tmp_path, dtype_backend="pyarrow")
    assert set(duck.project("workspace, id").fetchall()) == expected
    assert set(polar.select("workspace", "id").collect().rows()) == expected
    assert set(zip(panda["workspace"], panda["id"], strict=True)) == expected
    assert [str(kind) for kind in duck.types[2:]] == ["DECIMAL(38,10)", "TIMESTAMP WITH TIME ZONE"]
    assert polar.collect_schema()["created"] == pl.Datetime("us", "UTC")
    assert str(panda["created"].dtype) == "timestamp[us, tz=UTC][pyarrow]"
    assert "balance: decimal128(38, 10)" in str(panda["aggregations"].dtype)


def test_refused_workspace(server, client, tmp_path):
    """A workspace that the token may not read is in the report with its error; the others are complete."""
    report = customers_to_parquet([*server.workspaces, "acc_other"], tmp_path, client=client)
    assert ids_by_workspace(tmp_path) == expected_ids(server)
    assert [*report.errors] == ["acc_other"]
    error = report.errors["acc_other"]
    assert isinstance(error, PermissionDeniedError)
    assert (error.status, error.workspace) == (403, "acc_other")
    assert "7 complete, 0 skipped, 1 failed" in str(report)
    assert json.loads((tmp_path / "_report.json").read_bytes())["errors"]["acc_other"].startswith("PermissionDenied")
    with pytest.raises(ExceptionGroup, match="1 workspaces failed: acc_other"):
        report.raise_for_errors()


def test_resume(server, client, tmp_path):
    """Files of the same query are not read again; a missing or broken one, and one of another query, is."""
    first = customers_to_parquet(server.workspaces, tmp_path, client=client)
    (tmp_path / "workspace=acc_1" / "customers.parquet").unlink()
    (tmp_path / "workspace=acc_2" / "customers.parquet").write_bytes(b"PAR1 a broken index \x08\0\0\0PAR1")
    requests = len(server.requests)
    again = customers_to_parquet(server.workspaces, tmp_path, client=client, resume=True)
    assert {request.workspace for request in server.requests[requests:]} == {"acc_1", "acc_2"}
    assert again.complete == {workspace: first.complete[workspace] for workspace in ("acc_1", "acc_2")}
    assert again.skipped | again.complete == first.complete
    requests = len(server.requests)
    assert customers_to_parquet(server.workspaces, tmp_path, client=client, resume=True).requests == 0
    assert len(server.requests) == requests
    other = customers_to_parquet(server.workspaces, tmp_path, client=client, resume=True, country="CL")
    assert (other.skipped, set(other.complete)) == ({}, set(server.workspaces))
    assert set(pd.read_parquet(tmp_path)["country"].map(lambda country: country["id"])) == {"CL"}


def test_not_resumed(server, client, tmp_path):
    """Without resume, everything is read again, and a workspace that fails then keeps its earlier file."""
    customers_to_parquet(server.workspaces, tmp_path, client=client)
    before = expected_ids(server)
    for workspace in ("acc_1", "acc_2"):
        server.remove(before[workspace][0])
    server.tokens = {"acc_2": "another-token"}
    report = customers_to_parquet(server.workspaces, tmp_path, client=client)
    assert [*report.errors] == ["acc_2"]
    assert ids_by_workspace(tmp_path) == expected_ids(server) | {"acc_2": before["acc_2"]}


def test_value_that_does_not_fit(server, client, tmp_path):
    """A workspace with a value too large for its column fails alone, and leaves no file."""
    customer = server.customers("acc_3")[-1]["id"]
    server.update(customer, aggregations={"balance": "1" * 30})
    report = customers_to_parquet(server.workspaces, tmp_path, client=client)
    assert [*report.errors] == ["acc_3"]
    assert isinstance(report.errors["acc_3"], ExportError)
    expected = expected_ids(server)
    del expected["acc_3"]
    assert ids_by_workspace(tmp_path) == expected
    assert not (tmp_path / "workspace=acc_3").exists()
    assert not (tmp_path / "_partial").exists()


def test_invalid_records(server, client, tmp_path):
    """A record that cannot be decoded fails its workspace, or is left out and counted."""
    server.update(server.customers("acc_3")[5]["id"], name=Unchecked(5))
    report = customers_to_parquet(["acc_3"], tmp_path, client=client)
    assert isinstance(report.errors["acc_3"], DecodeError)
    report = customers_to_parquet(["acc_3"], tmp_path, client=client, on_invalid="skip", fields=["name", "id"])
    assert (report.invalid, report.complete) == ({"acc_3": 1}, {"acc_3": len(server.customers("acc_3")) - 1})
    assert pq.read_schema(tmp_path / "workspace=acc_3" / "customers.parquet").names == ["name", "id"]


def test_object_store(server, client):
    """A URL is written through fsspec, and resumed; each file is put once it is complete."""
    fsspec = pytest.importorskip("fsspec")
    report = customers_to_parquet(server.workspaces, "memory://lake/customers/", client=client)
    memory = fsspec.filesystem("memory")
    names = [f"/lake/customers/workspace={each}/customers.parquet" for each in server.workspaces]
    assert sorted(memory.find("/lake")) == ["/lake/customers/_report.json", *names]
    with memory.open(names[1]) as file:
        assert pq.read_table(file)["id"].to_pylist() == expected_ids(server)["acc_1"]
    again = customers_to_parquet(server.workspaces, "memory://lake/customers", client=client, resume=True)
    assert (again.requests, again.skipped) == (0, report.complete)


def test_parts_of_a_large_workspace(serve, client, tmp_path):
    """A workspace is read in parts; a resumed run reads only the parts that are missing, and writes one file."""
    with MockServer({"acc_large": 1_000, "acc_small": 90}) as server:
        serve(server)
        server.update(server.customers("acc_large")[700]["id"], name=Unchecked(5))
        options = {"client": client, "customers_per_part": 250, "fields": ["id", "created"]}
        failed = customers_to_parquet(server.workspaces, tmp_path, **options)
        assert isinstance(failed.errors["acc_large"], DecodeError)
        assert failed.complete == {"acc_small": 90}
        parts = tmp_path / "_partial" / "workspace=acc_large"
        assert sorted(path.name for path in parts.iterdir()) == ["0.parquet", "1.parquet", "ranges.json"]
        assert ids_by_workspace(tmp_path) == {"acc_small": expected_ids(server)["acc_small"]}

        server.update(server.customers("acc_large")[700]["id"], name="Ñandú SpA")
        requests = len(server.requests)
        report = customers_to_parquet(server.workspaces, tmp_path, **options, resume=True)
        bounds = [request.params.get("created__gte") for request in server.requests[requests:]]
        assert bounds.count(None) == 1  # for the count; the first part was not read again, nor was the workspace split
        assert (report.complete, report.skipped) == ({"acc_large": 1_000}, {"acc_small": 90})
        assert ids_by_workspace(tmp_path) == expected_ids(server)
        assert not (tmp_path / "_partial").exists()
