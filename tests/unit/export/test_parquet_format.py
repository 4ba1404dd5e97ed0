"""Parquet: row groups of one size, and the conversion of an Arrow stream."""

import pyarrow.parquet as pq
import pytest
from attrs import evolve

from piriod_async import export
from piriod_async.export.arrow_format import ArrowStreamEncoder
from piriod_async.export.parquet_format import ParquetEncoder, RowGroupEncoder, stream_to_parquet
from tests.support.arrow import arrow_row
from tests.support.customers import FULL, MINIMAL


def test_row_group_size(tmp_path):
    """Row groups have their size, whatever the sizes of the batches."""
    encoder = ArrowStreamEncoder(["id"])
    batches = [
        encoder.batch([evolve(MINIMAL, id=f"cus_{size}_{n}") for n in range(size)]) for size in (3, 4, 11, 0, 1, 6)
    ]
    parquet = RowGroupEncoder(encoder.schema, row_group_size=5)
    chunks = [parquet.header(), *map(parquet.encode, batches), parquet.footer()]
    (tmp_path / "a.parquet").write_bytes(b"".join(chunks))
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


def test_workspace_column(tmp_path):
    """The encoder of a complete file can put the workspace first."""
    encoder = ParquetEncoder(["id"], workspace_column=True)
    (tmp_path / "a").write_bytes(encoder.header() + encoder.encode([MINIMAL], "acc_1") + encoder.footer())
    assert pq.read_table(tmp_path / "a").to_pylist() == [{"workspace": "acc_1", "id": "cus_minimal"}]


@pytest.mark.parametrize("size", [0, -1, 2.5, True, "5"])
def test_wrong_row_group_size(size):
    """A size that no row group can have is refused; 0 wrote empty row groups without end."""
    with pytest.raises(export.ExportError, match=r"^row_group_size=.*: expected a whole number, 1 or more$"):
        ParquetEncoder(row_group_size=size)
