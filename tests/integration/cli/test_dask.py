"""`customers --dask`: a dataset, written by the workers of a cluster."""

import sys

import pytest
from dask import config
from distributed import LocalCluster

from piriod_async.testing import MockServer
from tests.integration.dask.conftest import IN_PROCESS
from tests.support.command import env_of, run_process
from tests.support.dataset import expected_ids, ids_by_workspace


@pytest.fixture
def ids_file(tmp_path):
    """A file that names two workspaces that exist, and one that does not."""
    file = tmp_path / "all.txt"
    file.write_text("acc_1\nacc_2\nacc_other\n")
    return file


def test_dataset(run_cli, ids_file, tmp_path, monkeypatch):
    """A workspace that fails is exit code 3 and named; a resume reads only that one."""
    lake = tmp_path / "lake" / "customers"
    with (
        MockServer({"acc_1": 120, "acc_2": 130}) as server,
        LocalCluster(n_workers=1, protocol="tcp://", **IN_PROCESS) as cluster,
    ):
        monkeypatch.setenv("PIRIOD_TOKEN", server.token)
        options = ("customers", "--workspaces-file", ids_file, "-o", lake, "--dask", cluster.scheduler_address)
        done = run_cli(*options, "--fields", "id", PIRIOD_TOKEN=server.token, PIRIOD_BASE_URL=server.url)
        expected = expected_ids(server)
        requests = len(server.requests)
        ids_file.write_text("acc_1\nacc_2\n")
        again = run_cli(*options, "--fields", "id", "--resume", **env_of(server))
        assert len(server.requests) == requests
    assert (done.returncode, done.stdout) == (3, "")
    assert "piriod-async: acc_other: GET /customers/ page 1 of acc_other: 403 Forbidden" in done.stderr
    assert "250 customers; workspaces: 2 complete, 0 skipped, 1 failed" in done.stderr
    assert "1 of 3 workspaces failed" in done.stderr
    assert again.returncode == 0
    assert "250 customers; workspaces: 0 complete, 2 skipped, 0 failed" in again.stderr
    assert ids_by_workspace(lake) == expected


def test_local(tmp_path):
    """A cluster for this machine is started and stopped, and its dashboard named."""
    with MockServer({"acc_1": 20}) as server:
        done = run_process("customers", "--workspace", "acc_1", "-o", tmp_path, "--dask", "local", **env_of(server))
        assert (done.returncode, ids_by_workspace(tmp_path)) == (0, expected_ids(server)), done.stderr
    assert "dashboard: http://127.0.0.1:" in done.stderr


def test_wrong_usage(run_cli, tmp_path):
    """Options that the workers cannot honour are refused, before a cluster is started."""
    lake = ("customers", "--dask", "local", "-o", tmp_path)
    for options, message in {
        ("customers", "--dask", "local", "--workspace", "acc_1"): "--dask requires --output",
        (*lake, "--limit", "3"): "--dask cannot be combined with --limit",
        (*lake, "--token-file", "a"): "--dask cannot be combined with --token-file",
        (*lake, "--format", "csv"): "--format csv cannot be combined with --dask: expected parquet",
        lake: "no workspace: expected --workspaces-file, --workspace or PIRIOD_WORKSPACE",
        (*lake, "--workspace", "acc_1", "--name", " "): "--name ' ': expected text that is not blank",
        (*lake[:-1], __file__): f"--output {__file__}: expected a folder for --dask, but it is a file",
        ("customers", "-o", tmp_path): f"--output {tmp_path}: expected a file, but it is a directory",
    }.items():
        done = run_cli(*options)
        assert done.returncode == 2
        assert message in done.stderr


@pytest.mark.parametrize("address", ["127.0.0.1", "tcp://127.0.0.1:port", "http://127.0.0.1:8786"])
def test_invalid_address(address, run_cli, tmp_path):
    """The error says what an address looks like."""
    done = run_cli("customers", "--workspace", "acc_1", "-o", tmp_path, "--dask", address)
    expected = "expected local, or the address of a scheduler, such as tcp://127.0.0.1:8786 ("
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith(f"piriod-async: --dask {address}: {expected}")


def test_scheduler_out_of_reach(run_cli, tmp_path):
    """An address where no scheduler listens is an error; what an earlier run completed can be resumed."""
    with config.set({"distributed.comm.timeouts.connect": "100ms"}):
        command = ("customers", "--workspace", "acc_1", "-o", tmp_path, "--dask", "tcp://127.0.0.1:1")
        first = run_cli(*command)
        (tmp_path / "workspace=acc_2").mkdir()
        (tmp_path / "workspace=acc_2" / "customers.parquet").touch()
        second = run_cli(*command)
    assert (first.returncode, second.returncode) == (1, 1)
    assert "tcp://127.0.0.1:1" in first.stderr
    assert "add --resume" not in first.stderr
    assert "the files that are complete stay: add --resume to continue" in second.stderr


def test_without_the_extra(run_cli, tmp_path, monkeypatch):
    """The command says what to install."""
    for name in [name for name in sys.modules if name.startswith("piriod_async.integrations.dask")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "distributed", None)
    done = run_cli("customers", "--workspace", "acc_1", "-o", tmp_path, "--dask", "local")
    assert done.returncode == 2
    assert "needs distributed and dask: pip install 'piriod-async[dask]'" in done.stderr
