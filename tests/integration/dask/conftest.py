"""A cluster in this process."""

import asyncio
import threading

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
    """Two workers and a scheduler, in a thread; nothing is left of them."""
    before = set(threading.enumerate())
    with config.set({"distributed.admin.tick.interval": "1h"}), LocalCluster(n_workers=2, **IN_PROCESS) as cluster:
        yield cluster
        loop = cluster.loop.asyncio_loop
    assert not [task for task in _tasks_of(loop) if "piriod" in repr(task)]
    assert not [thread.name for thread in set(threading.enumerate()) - before if "piriod" in thread.name]


@pytest.fixture
def client(cluster):
    """A client of the cluster."""
    with Client(cluster) as client:
        yield client


def _tasks_of(loop):
    return [] if loop.is_closed() else asyncio.all_tasks(loop)
