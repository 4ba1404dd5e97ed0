"""Numbers and dates at the edge: exact, or an error that names the customer."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from attrs import evolve

from piriod_async import Aggregations, Contact, Country, export
from piriod_async.cli.table import TableEncoder
from piriod_async.export import ContactsCsvEncoder, CsvEncoder, JsonLinesEncoder
from piriod_async.export.arrow_format import ArrowStreamEncoder
from tests.support.customers import MINIMAL

ENCODERS = {
    "jsonl": lambda fields=None: JsonLinesEncoder(fields),
    "csv": lambda fields=None: CsvEncoder(fields),
    "table": lambda fields=None: TableEncoder(fields or tuple(export.COLUMNS)),
    "arrow": lambda fields=None: ArrowStreamEncoder(fields),
}
every_encoder = pytest.mark.parametrize("encoder", ENCODERS.values(), ids=ENCODERS)
FOREVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone(timedelta(hours=-3)))
FIRST = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=3)))


def cells(encoder, customer):
    text = (encoder.header() + encoder.encode([customer])).decode()
    return next(csv.DictReader(io.StringIO(text, newline="")))


@every_encoder
@pytest.mark.parametrize("amount", ["1E-1000", "-1E+1000", "0E-1000"])
def test_extreme_exponent(amount, encoder):
    """An amount of the most extreme exponent is exact; Arrow, which cannot hold it, says so and does not crash."""
    customer = evolve(MINIMAL, id="cus_bad", aggregations=Aggregations(balance=Decimal(amount)))
    if Decimal(amount) and encoder is ENCODERS["arrow"]:
        with pytest.raises(export.ExportError, match=r"^customer cus_bad: aggregations\.balance=.{,150}$"):
            encoder().encode([MINIMAL, customer])
    elif encoder is ENCODERS["csv"]:
        assert Decimal(cells(CsvEncoder(), customer)["balance"]) == Decimal(amount)
    elif encoder is ENCODERS["jsonl"]:
        assert f'"balance":{amount}'.encode() in encoder().encode([customer])
    else:
        assert encoder().encode([customer])


def test_tax_percent_does_not_fit():
    """The tax rate is checked as the amounts are, unless its column is not wanted."""
    customer = evolve(MINIMAL, country=Country(id="CL", tax_percent=Decimal("1E-1000")))
    with pytest.raises(export.ExportError, match=r"customer cus_minimal: country.tax_percent=1E-1000: expected"):
        ArrowStreamEncoder().encode([MINIMAL, customer])
    assert ArrowStreamEncoder(["id"]).batch([customer]).to_pylist() == [{"id": "cus_minimal"}]


NOT_JSON = [float("inf"), float("-inf"), float("nan"), Decimal("NaN"), Decimal("Infinity"), Decimal("-sNaN")]


@every_encoder
@pytest.mark.parametrize("name", ["metadata", "tax_settings"])
@pytest.mark.parametrize("number", NOT_JSON, ids=str)
def test_infinite_numbers(number, name, encoder):
    """An infinity or NaN, however deep, is an error, and never null."""
    customer = evolve(MINIMAL, id="cus_bad", **{name: {"a": None, "b": [1.5, {"c": (number,)}]}})
    with pytest.raises(export.ExportError, match=rf"customer cus_bad: {name}={number}: expected finite numbers"):
        encoder().encode([MINIMAL, customer])
    assert encoder(["id"]).encode([customer])


@every_encoder
def test_exact_metadata(encoder):
    """Numbers in metadata keep all their digits, and null stays null."""
    numbers = {"rate": Decimal("0.10000000000000000000000000001"), "count": 2**70, "tiny": 5e-324, "nothing": None}
    customer = evolve(MINIMAL, metadata=numbers)
    expected = b'{"rate":0.10000000000000000000000000001,"count":1180591620717411303424,"tiny":5e-324,"nothing":null}'
    if encoder is ENCODERS["arrow"]:
        text = ArrowStreamEncoder().batch([customer])["metadata"][0].as_py().encode()
    elif encoder is ENCODERS["csv"]:
        text = cells(CsvEncoder(), customer)["metadata"].encode()
    else:
        text = encoder().encode([customer])
    assert expected in text


@every_encoder
@pytest.mark.parametrize("time", [FOREVER, FIRST], ids=str)
def test_ends_of_the_calendar(time, encoder):
    """A time that UTC would move out of the calendar is exact."""
    customer = evolve(MINIMAL, created=time, updated=time, contacts=(Contact(name="", created=time),))
    data = encoder().encode([customer])
    if encoder is ENCODERS["arrow"]:
        batch = ArrowStreamEncoder().batch([customer])
        since_epoch = (time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        assert batch["created"].cast("int64").to_pylist() == [since_epoch]
    elif encoder is ENCODERS["jsonl"]:
        assert datetime.fromisoformat(json.loads(data)["created"]) == time
    else:
        assert time.isoformat(timespec="microseconds") in data.decode()
    [contact] = csv.DictReader(
        io.StringIO((ContactsCsvEncoder().header() + ContactsCsvEncoder().encode([customer])).decode())
    )
    assert datetime.fromisoformat(contact["created"]) == time


@pytest.mark.parametrize(
    "encoder", [ENCODERS["jsonl"], ENCODERS["csv"], ENCODERS["arrow"]], ids=["jsonl", "csv", "arrow"]
)
def test_half_a_surrogate_pair(encoder):
    """Text that is not Unicode names its customer and field."""
    for name, value in (("phone", "\ud800"), ("metadata", {"a": "\udfff"})):
        with pytest.raises(export.ExportError, match=f"customer cus_bad: {name}="):
            encoder().encode([MINIMAL, evolve(MINIMAL, id="cus_bad", **{name: value})])
    contact = evolve(MINIMAL, id="cus_bad", contacts=(Contact(name="\ud800"),))
    with pytest.raises(export.ExportError, match="customer cus_bad: name="):
        ContactsCsvEncoder().encode([MINIMAL, contact])


@pytest.mark.parametrize(
    "encoder", [ENCODERS["jsonl"], ENCODERS["csv"], ENCODERS["arrow"]], ids=["jsonl", "csv", "arrow"]
)
def test_deep_metadata(encoder):
    """Metadata that is nested too deeply names its customer."""
    value = {}
    for _ in range(100_000):
        value = {"a": value}
    with pytest.raises(export.ExportError, match=r"customer cus_bad: metadata="):
        encoder().encode([evolve(MINIMAL, id="cus_bad", metadata=value)])
