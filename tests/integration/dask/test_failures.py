"""A killed worker, and a scheduler that goes away: nothing is lost."""

import os
import signal
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from distributed import Client, LocalCluster

from piriod_async.integrations.dask import customers_dataframe, customers_to_parquet
from piriod_async.testing import MockServer
from tests.integration.dask.conftest import IN_PROCESS
from tests.support.dataset import expected_ids, ids_by_workspace


def wait_for(run, condition):
    """Wait until a run has made it true, or is done."""
    while not (run.done() or condition()):
        threading.Event().wait(0.005)


def test_killed_worker(serve, tmp_path):
    """The batch of a worker that is killed runs again, without the workspaces that were complete."""
    with MockServer(dict.fromkeys((f"acc_{n}" for n in range(12)), 120), latency=0.01) as server:
        serve(server)
        server.fail(stall=True, workspace="acc_3")
        with (
            LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as cluster,
            Client(cluster) as client,
            ThreadPoolExecutor() as pool,
        ):
            (pid,) = client.run(os.getpid).values()
            options = {"client": client, "workspaces_per_task": 6}
            run = pool.submit(customers_to_parquet, server.workspaces, tmp_path, **options)
            wait_for(run, lambda: len(list(tmp_path.rglob("customers.parquet"))) >= 5)
            os.kill(pid, signal.SIGKILL)
            report = run.result()
        assert ids_by_workspace(tmp_path) == expected_ids(server)
        assert report.complete == dict.fromkeys(server.workspaces, 120)
        assert (report.skipped, report.errors) == ({}, {})
        requests = Counter(request.workspace for request in server.requests)
        (size,) = {requests[workspace] for workspace in server.workspaces if workspace != "acc_3"}
        assert requests["acc_3"] == size + 1
        assert not (tmp_path / "_partial").exists()


def test_scheduler_that_goes_away(server, tmp_path):
    """The error says so and what to do; the files that are complete stay, and the next run reads the others."""
    server.fail(stall=True, workspace="acc_5")
    with ThreadPoolExecutor() as pool:
        with LocalCluster(n_workers=1, **IN_PROCESS) as cluster:
            client = Client(cluster)
            options = {"client": client, "workspaces_per_task": 1}
            run = pool.submit(customers_to_parquet, server.workspaces, tmp_path, **options)
            wait_for(run, lambda: "acc_5" in {request.workspace for request in server.requests})
        with pytest.raises(ConnectionError, match=r"the scheduler went away.*run it again with resume=True"):
            run.result()
        client.close()
    with LocalCluster(n_workers=1, **IN_PROCESS) as cluster, Client(cluster) as client:
        report = customers_to_parquet(server.workspaces, tmp_path, client=client, resume=True)
    assert set(report.skipped) == {f"acc_{n}" for n in range(5)}
    assert ids_by_workspace(tmp_path) == expected_ids(server)


def test_frame_of_a_refused_workspace(server, client):
    """A frame is all of it, or an error."""
    with pytest.raises(Exception, match="acc_other") as caught:
        customers_dataframe([*server.workspaces, "acc_other"], client=client)
    assert type(caught.value).__name__ == "PermissionDeniedError"


def test_folder_that_cannot_be_written(server, client, tmp_path):
    """An error of the file system ends the run, and names the folder as it was given."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NotADirectoryError, match=f": '{tmp_path}/file/lake'$"):
        customers_to_parquet(server.workspaces, tmp_path / "file" / "lake", client=client)
