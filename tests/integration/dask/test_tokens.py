"""One worker for a token: its batches run there, one after the other."""

import threading
from collections import defaultdict

import pytest
from distributed import Client, LocalCluster, SchedulerPlugin

from piriod_async.integrations.dask import customers_dataframe, customers_to_parquet
from piriod_async.integrations.dask.worker import SessionPlugin
from piriod_async.testing import MockServer
from tests.integration.dask.conftest import IN_PROCESS
from tests.support.dataset import expected_ids, ids_by_workspace

TOKENS = ("TOKEN_A", "TOKEN_B", "TOKEN_C")


class Recorder(SchedulerPlugin):
    """Records which batches of a token are being processed, and where."""

    def __init__(self, scheduler):
        self.scheduler = scheduler
        self.workers = defaultdict(list)
        self.processing = defaultdict(set)
        self.most = defaultdict(int)
        self.most_tokens = 0

    def transition(self, key, _, finish, *__, **___):
        token = next(name for name in TOKENS if name in key)
        if finish == "processing":
            self.workers[token].append(self.scheduler.tasks[key].processing_on.address)
            self.processing[token].add(key)
        else:
            self.processing[token].discard(key)
        self.most[token] = max(self.most[token], len(self.processing[token]))
        self.most_tokens = max(self.most_tokens, sum(map(bool, self.processing.values())))


@pytest.fixture
def by_token(monkeypatch):
    """A mock server with workspaces of three tokens, whose names map to the ids."""
    ids = {token: [f"acc_{token}_{n}" for n in range(6)] for token in TOKENS}
    tokens = {workspace: f"secret-{token}" for token, some in ids.items() for workspace in some}
    with MockServer(dict.fromkeys(tokens, 20), tokens=tokens, latency=0.01) as server:
        monkeypatch.setenv("PIRIOD_BASE_URL", server.url)
        for token in TOKENS:
            monkeypatch.setenv(token, f"secret-{token}")
        yield server, ids


@pytest.fixture
def recorder(cluster):
    """Records what the scheduler does."""
    recorder = Recorder(cluster.scheduler)
    cluster.scheduler.add_plugin(recorder)
    return recorder


def test_one_worker_for_a_token(by_token, recorder, client, tmp_path):
    """Batches of one token never run at once, and stay on a worker; the tokens run side by side on all workers."""
    server, ids = by_token
    report = customers_to_parquet(ids, tmp_path, client=client, workspaces_per_task=2)
    assert ids_by_workspace(tmp_path) == expected_ids(server)
    assert len(report.complete) == 18
    assert recorder.most == dict.fromkeys(TOKENS, 1)
    assert {token: len(workers) for token, workers in recorder.workers.items()} == dict.fromkeys(TOKENS, 3)
    assert all(len(set(workers)) == 1 for workers in recorder.workers.values())
    assert len({workers[0] for workers in recorder.workers.values()}) == 2
    assert recorder.most_tokens == 3  # on two workers with a thread each


def test_frame(by_token, recorder, client):
    """The batches of a frame are read in the same way."""
    _, ids = by_token
    frame = customers_dataframe(ids, client=client, workspaces_per_task=2, fields=["id"])
    assert frame.npartitions == 9
    assert recorder.most == dict.fromkeys(TOKENS, 1)
    assert all(len(set(workers)) == 1 for workers in recorder.workers.values())


def test_sessions_live_with_the_worker(by_token, tmp_path):
    """All batches and runs share the session of their token, which is closed with the worker."""
    _, ids = by_token
    with LocalCluster(n_workers=1, **IN_PROCESS) as cluster, Client(cluster) as client:
        customers_to_parquet(ids, tmp_path, client=client, workspaces_per_task=2)
        plugin = cluster.workers[0].plugins[SessionPlugin.name]
        opened = list(plugin._sessions.values())
        customers_to_parquet(ids, tmp_path, client=client)
        assert list(plugin._sessions.values()) == opened
        assert cluster.workers[0].plugins[SessionPlugin.name] is plugin
        assert len(opened) == 3
    assert not plugin._sessions
    assert all(each.session._transport.connections.closed for each in opened)


def test_worker_that_closes(by_token, cluster, recorder, client, tmp_path):
    """A worker that closes while it reads hands its tokens on, and cancels its requests."""
    server, ids = by_token
    server.fail(stall=True, workspace="acc_TOKEN_A_1", times=1)
    reports = []
    thread = threading.Thread(
        target=lambda: reports.append(customers_to_parquet(ids, tmp_path, client=client, workspaces_per_task=3))
    )
    thread.start()
    while len(list(tmp_path.rglob("customers.parquet"))) < 14:  # all but the stalled one, and its token's second batch
        threading.Event().wait(0.01)
    first = recorder.workers["TOKEN_A"][0]
    closing = next(worker for worker in cluster.workers.values() if worker.address == first)
    cluster.sync(closing.close)
    thread.join()
    assert ids_by_workspace(tmp_path) == expected_ids(server)
    assert (len(reports[0].complete), reports[0].errors) == (18, {})
    assert set(recorder.workers["TOKEN_A"][1:]) == {worker.address for worker in cluster.workers.values()} - {first}
    requests = [request for request in server.requests if request.workspace in ("acc_TOKEN_A_0", "acc_TOKEN_A_2")]
    assert len(requests) == 2  # their files were complete, so the second worker did not read them again
