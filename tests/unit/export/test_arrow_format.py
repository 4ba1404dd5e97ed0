"""Arrow batches and Parquet row groups: types, amounts that fit, streams."""

from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from attrs import evolve

from piriod_async import Aggregations, export
from piriod_async.export.arrow_format import ArrowStreamEncoder, RowGroupWriter, stream_to_parquet
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


@pytest.mark.parametrize("amount", ["0.00000000001", "1" * 29, "1E+30", "1E-11"])
def test_amount_does_not_fit(amount):
    """An amount with too many digits raises an error that names the customer."""
    customer = evolve(MINIMAL, id="cus_bad", aggregations=Aggregations(balance=Decimal(amount)))
    with pytest.raises(export.ExportError, match=r"customer cus_bad: aggregations=.* does not fit struct"):
        ArrowStreamEncoder().batch([MINIMAL, customer, FULL])


@pytest.mark.parametrize(
    "amount", ["0", "-0.00", "1.10000000000000000000", "9" * 28 + "." + "9" * 10, "1E+27", "1E-10"]
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


def test_row_group_size(tmp_path):
    """Row groups have their size, whatever the sizes of the batches."""
    encoder = ArrowStreamEncoder(["id"])
    batches = [
        encoder.batch([evolve(MINIMAL, id=f"cus_{size}_{n}") for n in range(size)]) for size in (3, 4, 11, 0, 1, 6)
    ]
    with RowGroupWriter(tmp_path / "a.parquet", encoder.schema, row_group_size=5) as parquet:
        for batch in batches:
            parquet.write_batch(batch)
    file = pq.ParquetFile(tmp_path / "a.parquet")
    assert [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] == [5, 5, 5, 5, 5]
    assert file.read().equals(encoder.table(batches))


def test_truncated_stream(tmp_path):
    """A stream that ends after any complete batch converts to Parquet."""
    encoder = ArrowStreamEncoder()
    pieces = [encoder.header(), encoder.encode([FULL]), encoder.encode([MINIMAL, FULL])]
    for length, expected in ((1, []), (2, [FULL]), (3, [FULL, MINIMAL, FULL])):
        (tmp_path / "a").write_bytes(b"".join(pieces[:length]))
        stream_to_parquet(tmp_path / "a", tmp_path / "a.parquet")
        table = pq.read_table(tmp_path / "a.parquet")
        assert table.schema.equals(encoder.schema)
        assert table.to_pylist() == [arrow_row(customer) for customer in expected]
