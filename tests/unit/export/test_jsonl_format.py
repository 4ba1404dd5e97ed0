"""JSON lines: exact amounts, selected fields, the workspace."""

import json
from decimal import Decimal

import attrs
import msgspec
import pytest

from piriod_async import Aggregations, Contact, Country, State
from piriod_async.export import FIELDS, JsonLinesEncoder
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


@pytest.mark.parametrize("customer", [FULL, MINIMAL])
def test_order_of_fields(customer):
    """Fields are in the order of the record, `id` first, at each level; no value is lost or changed."""
    line = json.loads(JsonLinesEncoder().encode([customer]), parse_float=Decimal)
    assert list(line) == list(FIELDS)
    assert next(iter(line)) == "id"
    nested = {"country": Country, "state": State, "aggregations": Aggregations}
    for name, record_type in nested.items():
        if line[name] is not None:
            assert list(line[name]) == [attribute.name for attribute in attrs.fields(record_type)]
    for contact in line["contacts"]:
        assert list(contact) == [attribute.name for attribute in attrs.fields(Contact)]
    encoded = msgspec.json.Encoder(decimal_format="number").encode(customer)
    assert line == json.loads(encoded, parse_float=Decimal)
