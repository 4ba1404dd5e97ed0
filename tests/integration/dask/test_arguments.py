"""Arguments are checked before anything is sent to a worker."""

import re
import sys

import pytest

from piriod_async import ConfigurationError, QueryError
from piriod_async.export import ExportError
from piriod_async.integrations.dask import customers_dataframe, customers_to_parquet

WRONG = {
    "workspaces='acc_1'": ({"workspaces": "acc_1"}, QueryError),
    "workspaces: 'acc_1' has two tokens": ({"workspaces": {"A": ["acc_1"], "B": ["acc_1"]}}, QueryError),
    "workspace='a b'": ({"workspaces": ["a b"]}, ConfigurationError),
    "workspaces_per_task=0": ({"workspaces_per_task": 0}, ConfigurationError),
    "customers_per_part=0": ({"customers_per_part": 0}, ConfigurationError),
    "customers_per_part=9: expected None": ({"customers_per_part": 9, "ordering": "name"}, QueryError),
    "requests_per_second=-1": ({"requests_per_second": -1}, ConfigurationError),
    "session_options: on_attempt: expected some of": ({"session_options": {"on_attempt": print}}, ConfigurationError),
    "name=' '": ({"name": " "}, QueryError),
    "fields='nmae'": ({"fields": ["nmae"]}, ExportError),
    f"path='{__file__}': expected a folder, but it is a file": ({"path": __file__}, ExportError),
    "customers_to_parquet() got an unexpected keyword argument 'contry'. Did you mean 'country'?": (
        {"contry": "CL"},
        TypeError,
    ),
    "on_batch=5": ({"on_batch": 5}, ConfigurationError),
    "client=None: expected a distributed.Client without": ({"client": None}, ConfigurationError),
}


@pytest.mark.parametrize("message", WRONG)
def test_wrong_arguments(message, client, server, tmp_path):
    """The message names the argument and the value; nothing is read or written."""
    arguments, error = WRONG[message]
    with pytest.raises(error, match=re.escape(message)):
        customers_to_parquet(**({"workspaces": ["acc_1"], "path": tmp_path, "client": client} | arguments))
    assert not server.requests
    assert not list(tmp_path.iterdir())


def test_nothing_to_read(client, tmp_path):
    """No workspaces are an empty dataset, and an empty frame with the columns of any other."""
    report = customers_to_parquet([], tmp_path, client=client)
    assert (report.customers, report.workspaces) == (0, 0)
    frame = customers_dataframe([], client=client, fields=["id", "created"])
    assert (len(frame), [*frame.columns]) == (0, ["workspace", "id", "created"])


def test_without_the_extra(monkeypatch):
    """The error says what to install."""
    for name in [name for name in sys.modules if name.startswith("piriod_async.integrations.dask")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'piriod-async\[dask\]'"):
        import piriod_async.integrations.dask  # noqa: F401, PLC0415
