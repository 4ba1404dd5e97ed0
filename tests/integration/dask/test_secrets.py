"""No token leaves a process: only the name of its variable does."""

import logging

import distributed.comm.tcp
import pytest
from distributed import Client, LocalCluster

from piriod_async import ConfigurationError
from piriod_async.integrations.dask import customers_dataframe, customers_to_parquet
from tests.integration.dask.conftest import IN_PROCESS

TOKEN, OTHER_TOKEN = "s3cret-token-of-the-test", "s3cret-token-of-a-function"


def read_token():
    """Return a token, on the worker."""
    return OTHER_TOKEN


@pytest.fixture
def messages(monkeypatch):
    """All bytes that scheduler, workers and client send each other: the pickled tasks, their names, and the logs."""
    sent, to_frames = [], distributed.comm.tcp.to_frames

    async def record(*args, **kwargs):
        frames = await to_frames(*args, **kwargs)
        sent.extend(map(bytes, frames))
        return frames

    monkeypatch.setattr(distributed.comm.tcp, "to_frames", record)
    return sent


def test_messages_and_logs(server, messages, monkeypatch, tmp_path, caplog):
    """Neither messages, nor the scheduler's state, nor logs have a token; they do have its name."""
    caplog.set_level(logging.DEBUG)
    server.token = TOKEN
    server.tokens = dict.fromkeys(["acc_5", "acc_6"], OTHER_TOKEN)
    monkeypatch.setenv("PIRIOD_TOKEN_A", TOKEN)
    workspaces = {"PIRIOD_TOKEN_A": ["acc_1", "acc_2", "acc_5"], f"{__name__}:read_token": ["acc_6"]}
    with LocalCluster(n_workers=1, protocol="tcp://", **IN_PROCESS) as cluster, Client(cluster) as client:
        report = customers_to_parquet(workspaces, tmp_path, client=client, workspaces_per_task=2)
        frame = customers_dataframe({"PIRIOD_TOKEN_A": ["acc_1"]}, client=client)
        state = repr(client.sync(cluster.scheduler.get_cluster_state, []))
        state += repr([client.get_worker_logs(), client.get_scheduler_logs(), client.story(*client.futures)])
        sent = b"".join(messages)
        assert len(frame) == len(server.customers("acc_1"))
    assert [*report.errors] == ["acc_5"]
    assert set(report.complete) == {"acc_1", "acc_2", "acc_6"}
    assert b"PIRIOD_TOKEN_A" in sent
    assert "PIRIOD_TOKEN_A" in state
    for where in (sent, state.encode(), caplog.text.encode(), (tmp_path / "_report.json").read_bytes()):
        assert b"s3cret" not in where


@pytest.mark.parametrize("name", [TOKEN, "0123456789abcdef", "abcdef0123456789", "", None, "a b:c"])
def test_token_in_place_of_its_name(name, client, tmp_path):
    """A token that is given instead of a name is refused, unsent and unshown."""
    for arguments in ({"workspaces": ["acc_1"], "token_env": name}, {"workspaces": {name: ["acc_1"]}}):
        with pytest.raises(ConfigurationError, match="expected the name of an environment variable") as caught:
            customers_to_parquet(**arguments, path=tmp_path, client=client)
        assert not name or name not in str(caught.value)


@pytest.mark.parametrize("options", [{"token": TOKEN}, {"base_url": f"https://user:{TOKEN}@example.com"}])
def test_secrets_in_options(options, client, tmp_path):
    """Neither a token nor a login can be sent with the options."""
    with pytest.raises(ConfigurationError, match="expected") as caught:
        customers_to_parquet(["acc_1"], tmp_path, client=client, session_options=options)
    assert TOKEN not in str(caught.value)


def test_missing_token(server, client, monkeypatch, tmp_path):
    """A worker without the token says which variable it lacks; a function that does not exist, what is wrong."""
    monkeypatch.delenv("PIRIOD_TOKEN")
    with pytest.raises(ConfigurationError, match=r"^PIRIOD_TOKEN is not set on the worker: expected an API token$"):
        customers_to_parquet(["acc_1"], tmp_path, client=client)
    with pytest.raises(ConfigurationError, match="token_env='tests:missing': the worker cannot import it"):
        customers_to_parquet(["acc_1"], tmp_path, client=client, token_env="tests:missing")
    assert not server.requests
