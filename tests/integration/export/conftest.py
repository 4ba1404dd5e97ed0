"""The writers, one at a time."""

import pytest

from piriod_async import export

WRITERS = {"jsonl": export.write_jsonl, "csv": export.write_csv, "parquet": export.write_parquet}


@pytest.fixture(params=WRITERS.values(), ids=WRITERS)
def write(request):
    """Each of `write_jsonl`, `write_csv` and `write_parquet`."""
    return request.param
