"""The entry point: what it imports, and what it says where an extra's packages are missing."""

import subprocess
import sys
from importlib import import_module

import pytest

from piriod_async.cli.main import main


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_missing_extra(missing):
    """Without the extra `cli`, the message says what to install."""
    code = f"import sys; sys.modules[{missing!r}] = None; from piriod_async.cli.main import main; "
    code += "sys.exit(main(['customers', '--mock', '1']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "piriod-async: the command line needs more packages: pip install 'piriod-async[cli]'\n"


@pytest.mark.parametrize("arguments", [["--help"], ["customers", "--help"], ["customers", "--limit", "x"]])
def test_quick_help(arguments):
    """Help, and the message about a wrong option, come before the slow imports."""
    code = f"import sys; from piriod_async.cli.main import main; main({arguments!r}); print('\\n', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"click", "aiohttp", "cattrs", "rich"} & set(done.stdout.splitlines()[-1].split()) == {"click"}


def test_quick_handlers():
    """Next to nothing is imported before Ctrl-C is handled: not even `re` and `typing`, which take longer than all."""
    code = "import sys; before = {*sys.modules}; import piriod_async.cli.main; print(*{*sys.modules} - before)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = set(done.stdout.split())
    assert "piriod_async.cli.signals" in imported
    assert not {"typing", "re", "click", "inspect"} & imported


def test_other_missing_module(monkeypatch):
    """Any other missing module is not hidden."""
    monkeypatch.setitem(sys.modules, "piriod_async.cli.commands", None)
    with pytest.raises(ModuleNotFoundError):
        main([])


def test_missing_pyarrow(run_cli, monkeypatch, tmp_path):
    """Without pyarrow, Parquet says what to install and CSV works."""
    for name in [name for name in sys.modules if name.startswith("piriod_async.export.arrow_")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    import_module("piriod_async.testing.mock_server")  # not on the event loop
    done = run_cli("customers", "--mock", "3", "-o", tmp_path / "a.parquet")
    assert (done.returncode, "pip install 'piriod-async[arrow]'" in done.stderr) == (2, True)
    assert run_cli("customers", "--mock", "3", "-o", tmp_path / "a.csv").returncode == 0
