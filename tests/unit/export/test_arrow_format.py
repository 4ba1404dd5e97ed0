"""Arrow batches: types, amounts that fit, errors."""

from decimal import Decimal

import pyarrow as pa
import pytest
from attrs import evolve

from piriod_async import Aggregations, export
from piriod_async.export.arrow_format import ArrowStreamEncoder
from tests.support.arrow import arrow_row
from tests.support.customers import FULL, MINIMAL


def test_column_types():
    """Amounts are decimals, times are timestamps, lists and structs are nested."""
    schema = ArrowStreamEncoder().schema
    amount, timestamp = pa.decimal128(38, 10), pa.timestamp("us", tz="UTC")
    assert schema.names == list(export.FIELDS)
    assert schema.field("aggregations").type.field("balance").type == amount
    assert schema.field("country").type.field("tax_percent").type == amount
    assert schema.field("created").type == schema.field("updated").type == timestamp
    assert schema.field("contacts").type.value_type.field("created").type == timestamp
    assert schema.field("sources").type == pa.list_(pa.string())
    assert schema.field("send_invoices").type == pa.bool_()
    assert schema.field("metadata").type == pa.string()


def test_round_trip():
    """A table gives back every field of the records."""
    encoder = ArrowStreamEncoder()
    table = encoder.table([encoder.batch([FULL]), encoder.batch([MINIMAL])])
    assert table.to_pylist() == [arrow_row(FULL), arrow_row(MINIMAL)]


def test_workspace_column():
    """The workspace is the first column."""
    batch = ArrowStreamEncoder(["id"], workspace_column=True).batch([MINIMAL], "acc_1")
    assert batch.to_pylist() == [{"workspace": "acc_1", "id": "cus_minimal"}]
    assert batch.schema.names == ["workspace", "id"]


@pytest.mark.parametrize("amount", ["0.00000000001", "1" * 29, "1E+30", "1E-11", "1E-1000", "1E+1000"])
def test_amount_does_not_fit(amount):
    """An amount with too many digits raises an error that names the customer."""
    customer = evolve(MINIMAL, id="cus_bad", aggregations=Aggregations(balance=Decimal(amount)))
    with pytest.raises(
        export.ExportError, match=r"customer cus_bad: aggregations.balance=.*: expected .* up to 28 digits"
    ):
        ArrowStreamEncoder().batch([MINIMAL, customer, FULL])


@pytest.mark.parametrize(
    "amount",
    [
        "0",
        "-0.00",
        "1.10000000000000000000",
        f"1.{'0' * 60}",
        "9" * 28 + "." + "9" * 10,
        "1E+27",
        "1E-10",
        "0E-1000",
    ],
)
def test_amount_fits(amount):
    """An amount with up to 28 digits before the point and 10 after it is exact."""
    batch = ArrowStreamEncoder().batch([evolve(MINIMAL, aggregations=Aggregations(balance=Decimal(amount)))])
    assert batch["aggregations"][0].as_py()["balance"] == Decimal(amount)


def test_other_errors():
    """A wrong type is not hidden behind an `ExportError`; an unencodable string is one."""
    with pytest.raises(TypeError):
        ArrowStreamEncoder().batch([evolve(MINIMAL, state="VS")])
    with pytest.raises(export.ExportError, match="customer cus_minimal: phone="):
        ArrowStreamEncoder().batch([evolve(MINIMAL, phone="\ud800")])
