"""Customers in files and tables, and back."""

import asyncio
import csv
import errno
import io
import json
import os
import stat
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from attrs import evolve

from piriod_async import Aggregations, Contact, Country, Customer, CustomerStatus, State, export
from piriod_async.export.arrow_format import ArrowStreamEncoder, RowGroupWriter, stream_to_parquet
from piriod_async.testing.mock_server import MockServer
from tests.support.imports import PACKAGE, imports, within

pytestmark = pytest.mark.usefixtures("no_leaks")

CREATED = datetime(2024, 2, 29, 23, 59, 59, 123456, tzinfo=timezone(timedelta(hours=-3)))
ODD = Customer(
    id="cus_odd",
    name='Ñandú "El Cóndor", S.A.\r\nsucursal\n2\r株式会社 👩‍👩‍👧',
    country=Country(id="CL", name="Chile", currencies=("CLP", "CLF"), tax_percent=Decimal("19.00")),
    state=State(id=7, name="Ñuble"),
    email="",
    tax_settings={"cl_activity_description": "Elaboración de pan", "n": [1, None, {"a": 1.5}]},
    metadata={"plan": "gold", 'a "key", with': "; all"},
    status=CustomerStatus("suspendido"),
    sources=("src_1", "src,2"),
    contacts=(
        Contact(id="con_1", customer="cus_odd", name="Íñigo\nMuñoz", created=CREATED),
        Contact(name="=1+1", email="@a", invoicing=False),
    ),
    aggregations=Aggregations(
        sales=Decimal("1234567890123456789012345678.0123456789"),
        sales_current_period=Decimal("-0.10"),
        balance=Decimal("1E+3"),
    ),
    test_mode=True,
    created=CREATED,
    updated=datetime(2024, 3, 1, tzinfo=UTC),
)
BARE = Customer(id="cus_bare", name="")


async def some(*customers):
    for customer in customers:
        yield customer


async def broken(*customers):
    for customer in customers:
        yield customer
    raise ConnectionError("gone")


async def csv_of(*customers, **options):
    file = io.BytesIO()
    await export.write_csv(some(*customers), file, **options)
    return rows_of(file.getvalue())


def rows_of(data):
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


# --- CSV ---


async def test_every_column_of_a_csv():
    [odd, bare] = await csv_of(ODD, BARE, raw_cells=True)
    assert list(odd) == list(export.COLUMNS)
    assert odd == {
        "id": "cus_odd",
        "name": ODD.name,
        "address": "",
        "country_id": "CL",
        "country_name": "Chile",
        "state_id": "7",
        "state_name": "Ñuble",
        **dict.fromkeys(("currency", "email", "phone", "website", "zip_code", "manager", "reference", "tax_id"), ""),
        "tax_settings": json.dumps(ODD.tax_settings, ensure_ascii=False, separators=(",", ":")),
        "metadata": json.dumps(ODD.metadata, ensure_ascii=False, separators=(",", ":")),
        "send_invoices": "true",
        "send_collections": "true",
        "send_vouchers": "true",
        "status": "suspendido",
        "sources": '["src_1","src,2"]',
        "sales": "1234567890123456789012345678.0123456789",
        "sales_current_period": "-0.10",
        "balance": "1000",
        "test_mode": "true",
        "created": "2024-03-01T02:59:59.123456Z",
        "updated": "2024-03-01T00:00:00.000000Z",
    }
    filled = {name: cell for name, cell in bare.items() if cell}
    flags = dict.fromkeys(("send_invoices", "send_collections", "send_vouchers"), "true")
    empty = {"tax_settings": "{}", "metadata": "{}", "sources": "[]"}
    assert filled == {"id": "cus_bare", "status": "active", **flags, **empty}


async def test_a_listing_as_csv_and_its_contacts(tmp_path):
    async with MockServer(250) as sandbox, sandbox.session() as piriod:
        customers = await piriod.customers().collect()
        listing = piriod.customers()
        count = await export.write_csv(listing, tmp_path / "a.csv", contacts=tmp_path / "b.csv", raw_cells=True)
    rows = rows_of((tmp_path / "a.csv").read_bytes())
    people = rows_of((tmp_path / "b.csv").read_bytes())
    assert count == len(rows) == len(customers) == 250
    for row, customer in zip(rows, customers, strict=True):
        assert (row["id"], row["name"], row["email"]) == (customer.id, customer.name, customer.email or "")
        assert Decimal(row["balance"]).compare_total(customer.aggregations.balance) == 0
        assert datetime.fromisoformat(row["created"]) == customer.created
        assert json.loads(row["metadata"]) == customer.metadata
        assert tuple(json.loads(row["sources"])) == customer.sources
    expected = [(customer.id, contact) for customer in customers for contact in customer.contacts]
    assert len(expected) > 100
    assert list(people[0]) == list(export.CONTACT_COLUMNS)
    for row, (customer, contact) in zip(people, expected, strict=True):
        assert (row["customer_id"], row["id"], row["name"]) == (customer, contact.id, contact.name)
        assert (row["phone"], row["invoicing"]) == (contact.phone or "", str(contact.invoicing).lower())
        assert datetime.fromisoformat(row["created"]) == contact.created


FORMULAS = ["=1+1", '=HYPERLINK("http://evil.example","x")', "+56 9 1234", "-1", "@SUM(A1)", "\t=1", "\r=1", "+", "="]
HARMLESS = ["", "'=1", " =1", "a=b", "1-2", "ñ", "💳", "\n=1"]


@pytest.mark.parametrize("text", FORMULAS)
async def test_a_formula_is_made_text(text):
    customer = evolve(BARE, name=text, country=Country(id=text), contacts=(Contact(name=text),))
    [row] = await csv_of(customer)
    assert row["name"] == row["country_id"] == f"'{text}"
    [raw] = await csv_of(customer, raw_cells=True)
    assert raw["name"] == text
    for raw_cells, expected in ((False, f"'{text}"), (True, text)):
        file = io.BytesIO()
        await export.write_csv(some(customer), io.BytesIO(), contacts=file, raw_cells=raw_cells)
        [contact] = rows_of(file.getvalue())
        assert contact["name"] == expected


@pytest.mark.parametrize("text", HARMLESS)
async def test_other_texts_stay_as_they_are(text):
    [row] = await csv_of(evolve(BARE, name=text))
    assert row["name"] == text


async def test_numbers_are_no_formulas():
    amounts = Aggregations(sales=Decimal("-5.00"), balance=Decimal("-1E-7"))
    [row] = await csv_of(evolve(BARE, aggregations=amounts, state=State(id=-3)))
    assert (row["sales"], row["balance"], row["state_id"]) == ("-5.00", "-0.0000001", "-3")


async def test_a_workspace_in_front():
    encoders = (export.CsvEncoder(["id"], workspaces=True), export.ContactsCsvEncoder(workspaces=True))
    made = [(each.start() + each.encode([ODD], "acc_1")).decode().splitlines()[:2] for each in encoders]
    assert made[0] == ["workspace,id", "acc_1,cus_odd"]
    assert made[1][0] == f"workspace,{','.join(export.CONTACT_COLUMNS)}"
    assert made[1][1].startswith("acc_1,cus_odd,con_1,")
    lines = export.JsonLinesEncoder(["id"], workspaces=True).encode([BARE], "acc_1")
    assert lines == b'{"workspace":"acc_1","id":"cus_bare"}\n'
    batch = ArrowStreamEncoder(["id"], workspaces=True).batch([BARE], "acc_1")
    assert batch.to_pylist() == [{"workspace": "acc_1", "id": "cus_bare"}]


# --- JSON lines ---


async def test_json_lines_hold_the_whole_record(tmp_path):
    async with MockServer(150) as sandbox, sandbox.session() as piriod:
        customers = await piriod.customers().collect()
        assert await export.write_jsonl(piriod.customers(), tmp_path / "a.jsonl") == 150
    read = [msgspec.json.decode(line, type=Customer) for line in (tmp_path / "a.jsonl").read_bytes().splitlines()]
    assert read == customers


async def test_money_in_json_lines_is_exact():
    file = io.BytesIO()
    await export.write_jsonl(some(ODD), file, fields=["id", "aggregations"])
    assert b'"sales":1234567890123456789012345678.0123456789' in file.getvalue()
    assert list(json.loads(file.getvalue())) == ["id", "aggregations"]


# --- Arrow and Parquet ---


async def test_types():
    table = await export.to_arrow(some(ODD, BARE))
    amount, instant = pa.decimal128(38, 10), pa.timestamp("us", tz="UTC")
    assert table.column_names == list(export.FIELDS)
    assert table.schema.field("aggregations").type.field("balance").type == amount
    assert table.schema.field("country").type.field("tax_percent").type == amount
    assert table.schema.field("created").type == table.schema.field("updated").type == instant
    assert table.schema.field("contacts").type.value_type.field("created").type == instant
    assert table.schema.field("sources").type == pa.list_(pa.string())
    assert table.schema.field("send_invoices").type == pa.bool_()
    assert table.schema.field("metadata").type == pa.string()


def plain(value):
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, tuple | list) else value


def as_arrow_has_it(customer):
    """A customer as pyarrow gives it back: the record's own shape, but for JSON text and the state's id."""
    row = plain(msgspec.to_builtins(customer, builtin_types=(datetime, Decimal)))
    row |= {name: msgspec.json.encode(row[name]).decode() for name in ("metadata", "tax_settings")}
    if row["state"]:
        row["state"]["id"] = str(row["state"]["id"])
    return row


async def test_nothing_is_lost_in_arrow():
    table = await export.to_arrow(some(ODD, BARE))
    assert table.to_pylist() == [as_arrow_has_it(ODD), as_arrow_has_it(BARE)]


async def test_a_listing_as_parquet_and_as_a_table(tmp_path):
    async with MockServer(1_234) as sandbox, sandbox.session() as piriod:
        customers = await piriod.customers().collect()
        assert await export.write_parquet(piriod.customers(), tmp_path / "a.parquet") == 1_234
        table = await export.to_arrow(piriod.customers())
    assert pq.read_table(tmp_path / "a.parquet").equals(table)
    assert table.to_pylist() == [as_arrow_has_it(customer) for customer in customers]


@pytest.mark.parametrize("amount", ["0.00000000001", "1" * 29, "1E+30", "1E-11"])
async def test_money_that_does_not_fit_is_an_error_that_names_the_customer(amount, tmp_path):
    bad = evolve(BARE, id="cus_bad", aggregations=Aggregations(balance=Decimal(amount)))
    said = r"customer cus_bad: aggregations=.* does not fit struct"
    with pytest.raises(export.ExportError, match=said):
        await export.to_arrow(some(BARE, bad, ODD))
    with pytest.raises(export.ExportError, match=said):
        await export.write_parquet(some(BARE, bad, ODD), tmp_path / "a.parquet")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "amount", ["0", "-0.00", "1.10000000000000000000", "9" * 28 + "." + "9" * 10, "1E+27", "1E-10"]
)
async def test_money_that_fits_is_the_same(amount):
    table = await export.to_arrow(some(evolve(BARE, aggregations=Aggregations(balance=Decimal(amount)))))
    assert table["aggregations"][0].as_py()["balance"] == Decimal(amount)


async def test_what_is_wrong_with_all_of_a_batch_is_not_hidden():
    with pytest.raises(TypeError):
        ArrowStreamEncoder().batch([evolve(BARE, state="VS")])
    with pytest.raises(export.ExportError, match="customer cus_bare: phone="):
        ArrowStreamEncoder().batch([evolve(BARE, phone="\ud800")])


def test_row_groups_have_their_size(tmp_path):
    stream = ArrowStreamEncoder(["id"])
    batches = [stream.batch([evolve(BARE, id=f"cus_{size}_{n}") for n in range(size)]) for size in (3, 4, 11, 0, 1, 6)]
    with RowGroupWriter(tmp_path / "a.parquet", stream.schema, rows=5) as parquet:
        for batch in batches:
            parquet.add(batch)
    file = pq.ParquetFile(tmp_path / "a.parquet")
    assert [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] == [5, 5, 5, 5, 5]
    assert file.read().equals(stream.table(batches))


def test_a_stream_may_end_after_any_piece(tmp_path):
    stream = ArrowStreamEncoder()
    pieces = [stream.start(), stream.encode([ODD]), stream.encode([BARE, ODD])]
    for length, expected in ((1, []), (2, [ODD]), (3, [ODD, BARE, ODD])):
        (tmp_path / "a").write_bytes(b"".join(pieces[:length]))
        stream_to_parquet(tmp_path / "a", tmp_path / "a.parquet")
        table = pq.read_table(tmp_path / "a.parquet")
        assert table.schema.equals(stream.schema)
        assert table.to_pylist() == [as_arrow_has_it(customer) for customer in expected]


# --- all of them ---

WRITERS = {"jsonl": export.write_jsonl, "csv": export.write_csv, "parquet": export.write_parquet}
every_writer = pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)


@every_writer
async def test_a_file_by_its_path_is_whole_or_not_there(write, tmp_path):
    path = tmp_path / "customers"
    assert await write(some(ODD), str(path)) == 1
    before = path.read_bytes()
    with pytest.raises(ConnectionError):
        await write(broken(*[BARE] * 250), path)
    assert [each.name for each in tmp_path.iterdir()] == ["customers"]
    assert path.read_bytes() == before


@every_writer
async def test_two_at_once_under_one_name(write, tmp_path):
    """The last to end has the name, and neither is torn."""
    path = tmp_path / "customers"
    await write(some(ODD), tmp_path / "one")
    assert await asyncio.gather(write(some(*[BARE] * 250), path), write(some(ODD), path)) == [250, 1]
    await write(some(*[BARE] * 250), tmp_path / "other")
    assert path.read_bytes() in [(tmp_path / name).read_bytes() for name in ("one", "other")]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["customers", "one", "other"]


@every_writer
async def test_a_link_and_who_may_read_it_stay(write, tmp_path):
    (tmp_path / "real").touch(mode=0o600)
    (tmp_path / "link").symlink_to("real")
    assert await write(some(ODD), tmp_path / "link") == 1
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").stat().st_size
    assert stat.filemode((tmp_path / "real").stat().st_mode) == "-rw-------"


@every_writer
async def test_what_is_no_file_is_not_replaced(write, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(export.ExportError, match="what is there is none, and is not replaced"):
            await write(some(ODD), path)
    assert [each.name for each in tmp_path.iterdir()] == ["pipe"]


@every_writer
async def test_pairs_are_no_customers(write, tmp_path):
    async with MockServer(3) as sandbox, sandbox.session() as piriod:
        with pytest.raises(TypeError, match="expected customers, and not tuples"):
            await write(piriod.across(["acc_sandbox"]), tmp_path / "customers")
    assert list(tmp_path.iterdir()) == []


@every_writer
async def test_an_open_file_stays_open(write, tmp_path):
    with (tmp_path / "a").open("wb") as file:
        await write(some(ODD, BARE), file)
        assert not file.closed
    await write(some(ODD, BARE), tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@every_writer
async def test_it_streams(write, tmp_path):
    sizes, options = [], {"row_group_size": 100} if write is export.write_parquet else {}

    async def watched():
        for number in range(1_000):
            sizes.append((await asyncio.to_thread(path.stat)).st_size)
            yield evolve(BARE, id=f"cus_{number}")

    path = tmp_path / "a"
    with path.open("wb", buffering=0) as file:
        await write(watched(), file, **options)
    assert sizes[-1] > sizes[500] > sizes[150] > 0


class Full(io.BytesIO):
    """A disk with room for a header."""

    def write(self, data):
        if self.tell() + len(data) > 1_000:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(data)


@every_writer
async def test_what_it_reads_is_closed_when_the_disk_is_full(write):
    closed = []

    async def watched():
        try:
            for number in range(50_000):
                yield evolve(BARE, id=f"cus_{number}")
        finally:
            closed.append(True)

    with pytest.raises(OSError, match="No space left"):
        await write(watched(), Full())
    assert closed


@every_writer
async def test_no_customers_at_all(write, tmp_path):
    assert await write(some(), tmp_path / "a") == 0
    if write is export.write_parquet:
        assert pq.read_table(tmp_path / "a").equals(ArrowStreamEncoder().table([]))
    else:
        header = ",".join(export.COLUMNS) + "\r\n"
        assert (tmp_path / "a").read_bytes().decode() == (header if write is export.write_csv else "")


async def test_anything_that_gives_customers_will_do():
    class Twice:
        left = 2

        def __aiter__(self):
            return self

        async def __anext__(self):
            self.left -= 1
            if self.left < 0:
                raise StopAsyncIteration
            return BARE

    assert (await export.to_arrow(Twice())).num_rows == 2


@pytest.mark.parametrize("fields", [["id", "colour"], [], ["id", "id"]])
async def test_wrong_fields(fields, tmp_path):
    for write in WRITERS.values():
        with pytest.raises(export.ExportError, match=r"fields='.*': expected some of id, name, .*; each once"):
            await write(some(BARE), tmp_path / "a", fields=fields)
    assert not list(tmp_path.iterdir())


@every_writer
async def test_some_fields_in_the_order_wanted(write, tmp_path):
    await write(some(BARE), tmp_path / "a", fields=["name", "id"])
    read = {
        export.write_jsonl: lambda path: list(json.loads(path.read_bytes())),
        export.write_csv: lambda path: path.read_text().splitlines()[0].split(","),
        export.write_parquet: lambda path: pq.read_schema(path).names,
    }
    assert read[write](tmp_path / "a") == ["name", "id"]


# --- its room ---


@pytest.mark.parametrize("path", sorted((PACKAGE / "export").glob("*.py")), ids=lambda path: path.stem)
def test_it_knows_records_only(path):
    assert within(imports(path, typing=True), "piriod_async") <= {"models", "errors", "export"}


def test_without_pyarrow_it_says_what_to_install():
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
    said = "Parquet and Arrow need pyarrow: pip install 'piriod-async[arrow]'"
    assert done.stdout.splitlines() == ["0", said, said]


async def test_a_parquet_file_that_is_given_up_half_way(tmp_path, monkeypatch):
    """The row group that is being written in its thread goes on, and the file is closed after it."""
    adding, go_on = threading.Event(), threading.Event()
    write_table = pq.ParquetWriter.write_table

    def slow(self, table):
        adding.set()
        go_on.wait(10)
        write_table(self, table)

    monkeypatch.setattr(pq.ParquetWriter, "write_table", slow)
    listing = some(*[evolve(BARE, id=f"cus_{number}") for number in range(300)])
    writing = asyncio.create_task(export.write_parquet(listing, tmp_path / "a.parquet", row_group_size=100))
    await asyncio.to_thread(adding.wait)
    writing.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert list(tmp_path.iterdir()) == []


async def test_customers_and_contacts_are_two_files(tmp_path):
    with pytest.raises(export.ExportError, match="expected another file"):
        await export.write_csv(some(BARE), tmp_path / "a.csv", contacts=str(tmp_path / "a.csv"))
    assert list(tmp_path.iterdir()) == []
