"""CSV cells: every column, and the escaping of formulas."""

import csv
import io
import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from attrs import evolve

from piriod_async import Aggregations, Contact, Country, State
from piriod_async.export import COLUMNS, CONTACT_COLUMNS, ContactsCsvEncoder, CsvEncoder, csv_row
from tests.support.customers import FULL, MINIMAL


def encode(encoder, *customers):
    text = (encoder.header() + encoder.encode(customers)).decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_every_column():
    """Each column of a full record has its text; a minimal record leaves the others empty."""
    [full, minimal] = encode(CsvEncoder(escape_formulas=False), FULL, MINIMAL)
    assert list(full) == list(COLUMNS)
    assert full == {
        "id": "cus_full",
        "name": FULL.name,
        "address": "",
        "country_id": "CL",
        "country_name": "Chile",
        "state_id": "7",
        "state_name": "Ñuble",
        **dict.fromkeys(("currency", "email", "phone", "website", "zip_code", "manager", "reference", "tax_id"), ""),
        "tax_settings": json.dumps(FULL.tax_settings, ensure_ascii=False, separators=(",", ":")),
        "metadata": json.dumps(FULL.metadata, ensure_ascii=False, separators=(",", ":")),
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
    not_empty = {name: cell for name, cell in minimal.items() if cell}
    flags = dict.fromkeys(("send_invoices", "send_collections", "send_vouchers"), "true")
    empty = {"tax_settings": "{}", "metadata": "{}", "sources": "[]"}
    assert not_empty == {"id": "cus_minimal", "status": "active", **flags, **empty}


FORMULAS = {
    "=1+1": "'=1+1",
    '=HYPERLINK("http://evil.example","x")': '\'=HYPERLINK("http://evil.example","x")',
    "-1": "'-1",
    "@SUM(A1)": "'@SUM(A1)",
    "+": "'+",
    "=": "'=",
    "+1+1": "'+1+1",
    "+1-800-555-0100": "'+1-800-555-0100",
    "+1 -800 -555 -0100": "'+1 -800 -555 -0100",
    "+56 9 1234 x": "'+56 9 1234 x",
    "+1-234-567*cmd|' /C calc'!A0": "'+1-234-567*cmd|' /C calc'!A0",
    "-56 9 8765 4321": "'-56 9 8765 4321",
    "\t=1": "'\t'=1",
    "\r=1": "'\r'=1",
    "\n=1": "'\n'=1",
    "\nname": "'\nname",
    "one\n=1+1": "one\n'=1+1",
    "one\r\n@SUM(A1)": "one\r\n'@SUM(A1)",
    "one;=1+1;-2;x": "one;'=1+1;'-2;x",
    'one;"=1+1"': 'one;"\'=1+1"',
    "one\t+1": "one\t'+1",
    "\uff1d1+1": "'\uff1d1+1",
    "\uff0b1": "'\uff0b1",
    "\uff0d1": "'\uff0d1",
    "\uff20SUM(A1)": "'\uff20SUM(A1)",
    "one;\uff1d1": "one;'\uff1d1",
}
PHONE_NUMBERS = ["+56 2 2345 6789", "+56987654321", "+56 (2) 2345-6789", "+1 800 555-0100"]
HARMLESS = ["", "'=1", " =1", "a=b", "1-2", "ñ", "💳", "one;two", "one\ntwo", "one; =1", *PHONE_NUMBERS]


@pytest.mark.parametrize("text", FORMULAS)
def test_formulas_are_escaped(text):
    """Text that a spreadsheet would run gets an apostrophe, in every text column and by default."""
    customer = evolve(MINIMAL, name=text, country=Country(id=text), contacts=(Contact(name=text),))
    [row] = encode(CsvEncoder(), customer)
    [contact] = encode(ContactsCsvEncoder(), customer)
    assert row["name"] == row["country_id"] == contact["name"] == FORMULAS[text]
    assert csv_row(customer, ["name"]) == [FORMULAS[text]]


@pytest.mark.parametrize("escape_formulas", [True, False])
def test_columns_and_rows(escape_formulas):
    """Rows that are encoded together have the cells that each has alone, whatever the others in a column are."""

    class Moment(datetime):
        """A subclass, as those of pandas and pendulum."""

    customers = [FULL, MINIMAL, evolve(MINIMAL, state=State(id=-3), created=Moment(2024, 1, 31, tzinfo=UTC))]
    customers += [evolve(MINIMAL, name=text, phone=text, state=State(id=text)) for text in [*FORMULAS, *HARMLESS]]
    text = CsvEncoder(escape_formulas=escape_formulas).encode(customers).decode()
    rows = [csv_row(customer, escape_formulas=escape_formulas) for customer in customers]
    assert list(csv.reader(io.StringIO(text, newline=""))) == rows


def test_spanish_spreadsheet():
    """A reader that separates cells by semicolons finds no cell that begins a formula."""
    names = [text for text in FORMULAS if "\n" not in text and "\r" not in text]
    text = CsvEncoder().encode([evolve(MINIMAL, name=name) for name in names]).decode()
    cells = [cell for row in csv.reader(text.splitlines(), delimiter=";") for cell in row]
    assert len(cells) > len(names)
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\uff1d"))]


def test_byte_order_mark():
    """`bom=True` puts one byte order mark before each header."""
    for encoder in (CsvEncoder(["id"], bom=True), ContactsCsvEncoder(bom=True)):
        data = encoder.header() + encoder.encode([FULL])
        assert data.startswith(b"\xef\xbb\xbf")
        assert "\ufeff" not in data.decode("utf-8-sig")
    assert CsvEncoder(["id"]).header() == b"id\r\n"


def test_formulas_unescaped():
    """`escape_formulas=False` leaves text as it is."""
    customer = evolve(MINIMAL, name="=1+1", contacts=(Contact(name="=1+1"),))
    [row] = encode(CsvEncoder(escape_formulas=False), customer)
    [contact] = encode(ContactsCsvEncoder(escape_formulas=False), customer)
    assert row["name"] == contact["name"] == "=1+1"
    assert csv_row(customer, ["name"], escape_formulas=False) == ["=1+1"]


@pytest.mark.parametrize("text", HARMLESS)
def test_harmless_text(text):
    """Text that no spreadsheet runs is not changed."""
    [row] = encode(CsvEncoder(), evolve(MINIMAL, name=text))
    assert row["name"] == text


def test_negative_numbers():
    """Negative numbers are not escaped, and have no exponent."""
    amounts = Aggregations(sales=Decimal("-5.00"), balance=Decimal("-1E-7"))
    [row] = encode(CsvEncoder(), evolve(MINIMAL, aggregations=amounts, state=State(id=-3)))
    assert (row["sales"], row["balance"], row["state_id"]) == ("-5.00", "-0.0000001", "-3")


def test_workspace_column():
    """The workspace comes first, for customers and for contacts."""
    encoders = (CsvEncoder(["id"], workspace_column=True), ContactsCsvEncoder(workspace_column=True))
    customers, contacts = [
        (encoder.header() + encoder.encode([FULL], "acc_1")).decode().splitlines()[:2] for encoder in encoders
    ]
    assert customers == ["workspace,id", "acc_1,cus_full"]
    assert contacts[0] == f"workspace,{','.join(CONTACT_COLUMNS)}"
    assert contacts[1].startswith("acc_1,cus_full,con_1,")
