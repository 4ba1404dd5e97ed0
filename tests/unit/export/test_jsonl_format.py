"""JSON lines: exact amounts, selected fields, the workspace."""

import json

from piriod_async.export import JsonLinesEncoder
from tests.support.customers import FULL, MINIMAL


def test_exact_amounts():
    """Amounts keep all their digits, in fields in the requested order."""
    line = JsonLinesEncoder(["id", "aggregations"]).encode([FULL])
    assert b'"sales":1234567890123456789012345678.0123456789' in line
    assert list(json.loads(line)) == ["id", "aggregations"]


def test_workspace_column():
    """The workspace is the first field of each line."""
    encoder = JsonLinesEncoder(["id"], workspace_column=True)
    assert encoder.header() + encoder.encode([MINIMAL], "acc_1") == b'{"workspace":"acc_1","id":"cus_minimal"}\n'
