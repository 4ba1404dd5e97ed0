"""pyarrow is imported in a thread, so that a service does not stand still at its first export."""

import subprocess
import sys

import pytest

CODE = """
import asyncio, sys, threading
from piriod_async import export
from tests.support.customers import FULL, stream

class Recorder:
    found = {}
    def find_spec(self, name, *_):
        self.found.setdefault(name.partition(".")[0], set()).add(threading.current_thread() is threading.main_thread())

sys.meta_path.insert(0, Recorder())
kind, path = sys.argv[1:]
asyncio.run(export.write_parquet(stream(FULL), path) if kind == "parquet" else export.to_arrow(stream(FULL)))
print({name: on_main for name, on_main in Recorder.found.items() if name in ("pyarrow", "numpy", "pandas")})
"""


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_not_on_the_event_loop(kind, tmp_path):
    """Nor are numpy and pandas, which pyarrow imports when it first needs them."""
    command = [sys.executable, "-c", CODE, kind, tmp_path / "a"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    threads = eval(done.stdout)
    assert "pyarrow" in threads
    assert set(map(frozenset, threads.values())) == {frozenset([False])}
