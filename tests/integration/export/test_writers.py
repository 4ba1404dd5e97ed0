"""The writers: listings to files and back, streaming, failures."""

import asyncio
import csv
import errno
import io
import json
import subprocess
import sys
from datetime import datetime
from decimal import Decimal

import msgspec
import pyarrow.parquet as pq
import pytest
from attrs import evolve

from piriod_async import Aggregations, Customer, export
from piriod_async.export.arrow_format import ArrowStreamEncoder
from piriod_async.testing.mock_server import MockServer
from tests.support.arrow import arrow_row
from tests.support.customers import FULL, MINIMAL, stream
from tests.support.imports import PACKAGE, imports, within

pytestmark = pytest.mark.usefixtures("no_leaks")


def read_csv(path):
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode(), newline="")))


async def test_csv_of_a_listing(tmp_path):
    """Customers and contacts of a listing come back from their CSV files."""
    async with MockServer(250) as server, server.session() as piriod:
        customers = await piriod.customers().collect()
        count = await export.write_csv(
            piriod.customers(), tmp_path / "a.csv", contacts=tmp_path / "b.csv", escape_formulas=False
        )
    rows, contact_rows = read_csv(tmp_path / "a.csv"), read_csv(tmp_path / "b.csv")
    assert count == len(rows) == len(customers) == 250
    for row, customer in zip(rows, customers, strict=True):
        assert (row["id"], row["name"], row["email"]) == (customer.id, customer.name, customer.email or "")
        assert Decimal(row["balance"]).compare_total(customer.aggregations.balance) == 0
        assert datetime.fromisoformat(row["created"]) == customer.created
        assert json.loads(row["metadata"]) == customer.metadata
        assert tuple(json.loads(row["sources"])) == customer.sources
    contacts = [(customer.id, contact) for customer in customers for contact in customer.contacts]
    assert len(contacts) > 100
    assert list(contact_rows[0]) == list(export.CONTACT_COLUMNS)
    for row, (customer_id, contact) in zip(contact_rows, contacts, strict=True):
        assert (row["customer_id"], row["id"], row["name"]) == (customer_id, contact.id, contact.name)
        assert (row["phone"], row["invoicing"]) == (contact.phone or "", str(contact.invoicing).lower())
        assert datetime.fromisoformat(row["created"]) == contact.created


async def test_csv_formulas(tmp_path):
    """`write_csv` escapes formulas in both files, unless it is told not to."""
    formula = "=1+1"
    customer = evolve(FULL, name=formula)
    for options, expected in (({}, f"'{formula}"), ({"escape_formulas": False}, formula)):
        await export.write_csv(stream(customer), tmp_path / "a.csv", contacts=tmp_path / "b.csv", **options)
        assert read_csv(tmp_path / "a.csv")[0]["name"] == read_csv(tmp_path / "b.csv")[1]["name"] == expected


async def test_jsonl_of_a_listing(tmp_path):
    """Customers of a listing come back from JSON lines."""
    async with MockServer(150) as server, server.session() as piriod:
        customers = await piriod.customers().collect()
        assert await export.write_jsonl(piriod.customers(), tmp_path / "a.jsonl") == 150
    decoded = [msgspec.json.decode(line, type=Customer) for line in (tmp_path / "a.jsonl").read_bytes().splitlines()]
    assert decoded == customers


async def test_parquet_and_table_of_a_listing(tmp_path):
    """Customers of a listing come back from Parquet and from an Arrow table."""
    async with MockServer(1_234) as server, server.session() as piriod:
        customers = await piriod.customers().collect()
        assert await export.write_parquet(piriod.customers(), tmp_path / "a.parquet") == 1_234
        table = await export.to_arrow(piriod.customers())
    assert pq.read_table(tmp_path / "a.parquet").equals(table)
    assert table.to_pylist() == [arrow_row(customer) for customer in customers]


async def test_amount_does_not_fit(tmp_path):
    """An amount that does not fit its column ends the export, and leaves no file."""
    customer = evolve(MINIMAL, aggregations=Aggregations(balance=Decimal("1E+30")))
    with pytest.raises(export.ExportError, match=r"customer cus_minimal: aggregations.balance=1E\+30:"):
        await export.to_arrow(stream(FULL, customer))
    with pytest.raises(export.ExportError, match=r"customer cus_minimal: aggregations.balance=1E\+30:"):
        await export.write_parquet(stream(FULL, customer), tmp_path / "a.parquet")
    assert not list(tmp_path.iterdir())


async def test_not_customers(write, tmp_path):
    """A listing of several workspaces yields pairs, which are refused; so is a path in place of a listing."""
    async with MockServer(3) as server, server.session() as piriod:
        with pytest.raises(TypeError, match="expected customers, got tuple"):
            await write(piriod.across(server.workspaces), tmp_path / "customers")
    with pytest.raises(TypeError, match="listing='a': expected a listing, or another async iterable of customers"):
        await write("a", tmp_path / "customers")
    assert list(tmp_path.iterdir()) == []


async def test_streaming(write, tmp_path):
    """The file grows while the listing is read."""
    sizes, options = [], {"row_group_size": 100} if write is export.write_parquet else {}

    async def measured():
        for number in range(2_000):
            if number % 700 == 0:
                sizes.append((await asyncio.to_thread(path.stat)).st_size)
            yield evolve(MINIMAL, id=f"cus_{number}")

    path = tmp_path / "a"
    with path.open("wb", buffering=0) as file:
        await write(measured(), file, **options)
    assert sizes[2] > sizes[1] > sizes[0]


class FullDisk(io.BytesIO):
    """A disk with room for a header."""

    def write(self, data):
        if self.tell() + len(data) > 1_000:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(data)


async def test_full_disk(write):
    """A write error closes the listing."""
    closed = []

    async def closing():
        try:
            for number in range(50_000):
                yield evolve(MINIMAL, id=f"cus_{number}")
        finally:
            closed.append(True)

    with pytest.raises(OSError, match="No space left"):
        await write(closing(), FullDisk())
    assert closed


async def test_no_customers(write, tmp_path):
    """An empty listing makes a valid, empty file."""
    assert await write(stream(), tmp_path / "a") == 0
    if write is export.write_parquet:
        assert pq.read_table(tmp_path / "a").equals(ArrowStreamEncoder().table([]))
    else:
        header = ",".join(export.COLUMNS) + "\r\n"
        assert (tmp_path / "a").read_bytes().decode() == (header if write is export.write_csv else "")


async def test_iterator_without_aclose():
    """Any async iterable of customers will do, not only generators."""

    class Twice:
        remaining = 2

        def __aiter__(self):
            return self

        async def __anext__(self):
            self.remaining -= 1
            if self.remaining < 0:
                raise StopAsyncIteration
            return MINIMAL

    assert (await export.to_arrow(Twice())).num_rows == 2


@pytest.mark.parametrize("fields", [["id", "colour"], [], ["id", "id"]])
async def test_wrong_fields(fields, tmp_path):
    """Unknown, repeated and no fields are refused before a file is touched."""
    for write in (export.write_jsonl, export.write_csv, export.write_parquet):
        with pytest.raises(export.ExportError, match=r"fields='.*': expected some of id, name, .*; each once"):
            await write(stream(MINIMAL), tmp_path / "a", fields=fields)
    assert not list(tmp_path.iterdir())


async def test_field_order(write, tmp_path):
    """Selected fields come in the requested order."""
    await write(stream(MINIMAL), tmp_path / "a", fields=["name", "id"])
    read = {
        export.write_jsonl: lambda path: list(json.loads(path.read_bytes())),
        export.write_csv: lambda path: path.read_text().splitlines()[0].split(","),
        export.write_parquet: lambda path: pq.read_schema(path).names,
    }
    assert read[write](tmp_path / "a") == ["name", "id"]


def test_missing_pyarrow():
    """Without pyarrow CSV works, and the others say what to install."""
    code = (
        "import asyncio, io, sys; sys.modules['pyarrow'] = None\n"
        "from piriod_async import export\n"
        "async def none():\n    for _ in (): yield\n"
        "print(asyncio.run(export.write_csv(none(), io.BytesIO())))\n"
        "for write in (export.write_parquet(none(), io.BytesIO()), export.to_arrow(none())):\n"
        "    try: asyncio.run(write)\n"
        "    except ModuleNotFoundError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    message = "Parquet and Arrow need pyarrow: pip install 'piriod-async[arrow]'"
    assert done.stdout.splitlines() == ["0", message, message]


def test_layers():
    """The package imports nothing but records, datetimes and errors."""
    for path in (PACKAGE / "export").glob("*.py"):
        assert within(imports(path, typing=True), "piriod_async") <= {"models", "datetimes", "errors", "export"}, path
