"""The table on a terminal: what is cut, and what never is."""

import sys
from decimal import Decimal

import pytest
from attrs import evolve

from piriod_async import Aggregations, Country, Customer
from piriod_async.cli.table import DEFAULT_FIELDS, TableEncoder

CUSTOMER = Customer(
    id="cus_Q8XV66NNZA45AH64YTRS",
    name="Transportes Los Álamos SpA",
    aggregations=Aggregations(balance=Decimal("283589.89")),
)


@pytest.fixture
def terminal(monkeypatch):
    """A terminal whose width is the environment variable COLUMNS."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    return monkeypatch.setenv


def lines_of(encoder, *customers):
    return encoder.encode(customers, "acc_1").decode().splitlines()


@pytest.mark.parametrize(
    ("width", "row"),
    [
        (63, "cus_Q8XV66NNZA45AH64YTRS  Transportes Los Álamos SpA  283589.89"),
        (62, "cus_Q8XV66NNZA45AH64YTRS Transportes Los Álamos SpA 283589.89"),
        (60, "cus_Q8XV66NNZA45AH64YTRS Transportes Los Álamos S… 283589.89"),
        (40, "cus_Q8XV66NNZA45AH64YTRS Tran… 283589.89"),
        (39, "cus_Q8XV66NNZA45AH64YTRS Tra… 283589.89"),
        (38, "cus_Q8XV66NNZA45AH64YT… Tra… 283589.89"),
        (10, "cus… Tra… 283589.89"),
    ],
)
def test_widths(width, row, terminal):
    """The gaps shrink first, then the name, then the id; the amount is never cut."""
    terminal("COLUMNS", str(width))
    _, line = lines_of(TableEncoder(("id", "name", "balance")), CUSTOMER)
    assert line == row


def test_later_pages(terminal):
    """Later pages keep the widths of the first, cut longer text, and never cut an amount."""
    terminal("COLUMNS", "80")
    encoder = TableEncoder(("name", "balance"), workspace_column=True)
    header, first = lines_of(encoder, CUSTOMER)
    longer = evolve(CUSTOMER, name="Transportes Los Álamos S.p.A.", aggregations=Aggregations(balance=Decimal(10**12)))
    [second] = lines_of(encoder, longer)
    assert "workspace" in header
    assert first == "acc_1      Transportes Los Álamos SpA  283589.89"
    assert second == "acc_1      Transportes Los Álamos S.…  1000000000000"


def test_wide_characters(terminal):
    """Characters of two cells count as two."""
    terminal("COLUMNS", "15")
    _, line = lines_of(TableEncoder(("name", "currency")), evolve(CUSTOMER, name="株式会社ピリオド", currency="CLP"))
    assert line == "株式会社ピ… CLP"


def test_default_fields(terminal):
    """On 80 columns the names of columns and the gaps make room: the id is complete, and the name has more than it."""
    terminal("COLUMNS", "80")
    customer = evolve(
        CUSTOMER, name="Constructora Pacífico Sur S. de R.L. de C.V.", country=Country(id="MX"), tax_id="900.324.972-1"
    )
    header, line = lines_of(TableEncoder(DEFAULT_FIELDS), customer)
    assert "id                       name                        co… tax_id          balance" in header
    assert line == "cus_Q8XV66NNZA45AH64YTRS Constructora Pacífico Sur … MX  900.324.972-1 283589.89"
    assert line.index(" MX") - line.index("Constructora") > len(CUSTOMER.id)


@pytest.mark.parametrize(
    ("pages", "line"),
    [([], "no customers"), ([1], "1 customer"), ([2, 1], "3 customers"), ([1_500], "1,500 customers")],
)
@pytest.mark.usefixtures("terminal")
def test_number_of_customers(pages, line, monkeypatch):
    """On a terminal the last line has the number of customers; but not in a pipe, where `wc -l` counts."""
    encoder = TableEncoder(("id",))
    for count in pages:
        encoder.encode([CUSTOMER] * count)
    assert encoder.footer().decode() == f"{line}\n"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False)
    assert encoder.footer() == b""
