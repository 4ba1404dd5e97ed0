"""A cluster in this process."""

import asyncio

import pytest
from dask import config
from distributed import Client, LocalCluster

from piriod_async.testing import MockServer

IN_PROCESS = {"processes": False, "threads_per_worker": 1, "dashboard_address": ":0"}


@pytest.fixture
def serve(monkeypatch):
    """Point the workers to a mock server, with its token in a variable."""

    def serve(server, token_env="PIRIOD_TOKEN"):
        monkeypatch.setenv(token_env, server.token)
        monkeypatch.setenv("PIRIOD_BASE_URL", server.url)

    return serve


@pytest.fixture
def server(serve):
    """A mock server with several workspaces, which the workers read."""
    with MockServer({f"acc_{n}": n * 67 % 250 for n in range(7)}) as server:
        serve(server)
        yield server


@pytest.fixture
def cluster():
    """Two workers and a scheduler, in a thread; no reading is left running."""
    with config.set({"distributed.admin.tick.interval": "1h"}), LocalCluster(n_workers=2, **IN_PROCESS) as cluster:
        yield cluster
        assert not [task for task in asyncio.all_tasks(cluster.loop.asyncio_loop) if "SessionPlugin" in repr(task)]


@pytest.fixture
def client(cluster):
    """A client of the cluster."""
    with Client(cluster) as client:
        yield client
