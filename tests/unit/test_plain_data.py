"""Customers as plain data and back: equal after each round trip, whatever is in them."""

import json
import math
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import attrs
import msgspec
import pytest
from attrs import evolve
from hypothesis import example, given
from hypothesis import strategies as st

from piriod_async import (
    Aggregations,
    Contact,
    Country,
    Customer,
    CustomerStatus,
    DecodeError,
    PiriodError,
    State,
    export,
)
from tests.support.customers import CREATED, FULL, MINIMAL
from tests.unit.decoding.samples import GOOD, RECORD, record, to_json, typed

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    ["", " ", "\x00", "None", "1.10"]
)
maybe_text = st.none() | texts
flags = st.none() | st.booleans()
offsets = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.none() | st.datetimes(timezones=st.just(UTC) | offsets)
amounts = st.none() | (
    st.decimals(allow_nan=False, allow_infinity=False).filter(lambda amount: abs(amount.adjusted()) <= 1_000)
    | st.sampled_from(
        [Decimal(text) for text in ("1E+1000", "-1E-1000", "0E-1000", "-0", "1.10", "1" * 60 + "." + "3" * 60)]
    )
)
too_large = st.sampled_from([Decimal("1E+400"), Decimal("-1.5E+309"), Decimal("123456789E+990")])
whole_numbers = st.integers(-(2**63), 2**64 - 1)
free_json = st.recursive(
    st.none() | st.booleans() | whole_numbers | st.floats(allow_nan=False, allow_infinity=False) | texts | too_large,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
free_objects = st.dictionaries(texts, free_json, max_size=3)
statuses = st.none() | st.sampled_from(CustomerStatus) | texts.filter(bool).map(CustomerStatus)


def build(cls: type[Any], **strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw records with values in every field, by the fields' types where no strategy is given."""
    by_type: dict[Any, st.SearchStrategy[Any]] = {
        str: texts,
        str | None: maybe_text,
        bool | None: flags,
        Decimal | None: amounts,
        tuple[str, ...]: st.lists(texts, max_size=3).map(tuple),
        dict[str, Any]: free_objects,
    }
    named = {"created": moments, "updated": moments} | strategies
    fields = {each.name: named[each.name] if each.name in named else by_type[each.type] for each in attrs.fields(cls)}
    return st.builds(cls, **fields)


countries = build(Country)
states = build(State, id=whole_numbers | texts)
customers = build(
    Customer,
    id=texts.filter(bool),
    country=st.none() | countries,
    state=st.none() | states,
    status=statuses,
    contacts=st.lists(build(Contact), max_size=3).map(tuple),
    aggregations=build(Aggregations),
)

ROUND_TRIPS: dict[str, Callable[[Customer], Customer]] = {
    "dict with text": lambda customer: Customer.from_dict(customer.to_dict()),
    "dict with Decimals": lambda customer: Customer.from_dict(customer.to_dict(decimals="keep")),
    "JSON": lambda customer: Customer.from_json(customer.to_json()),
    "JSON in bytes": lambda customer: Customer.from_json(customer.to_json().encode()),
    "dict as JSON": lambda customer: Customer.from_json(json.dumps(customer.to_dict())),
    "JSON as dict": lambda customer: Customer.from_dict(json.loads(customer.to_json(), parse_float=exact)),
    "attrs": lambda customer: Customer.from_dict(attrs.asdict(customer)),
}
each_round_trip = pytest.mark.parametrize("back", ROUND_TRIPS.values(), ids=ROUND_TRIPS)


def exact(text: str) -> float | Decimal:
    """Read a JSON number as a float if that keeps its digits."""
    return float(text) if Decimal(repr(float(text))) == Decimal(text) else Decimal(text)


@given(customers)
@example(FULL)
@example(MINIMAL)
@example(GOOD)
def test_round_trips(customer: Customer) -> None:
    """A customer is equal after every round trip; a dict keeps the digits of its amounts."""
    for name, back in ROUND_TRIPS.items():
        twin = back(customer)
        assert twin == customer, name
        if name.startswith("dict with"):
            assert repr(twin.aggregations) == repr(customer.aggregations), name


@given(customers)
def test_plain(customer: Customer) -> None:
    """A dict has only what JSON has, in the order of the fields, unless Decimals are to be kept."""
    text = customer.to_dict()
    assert list(text) == list(export.FIELDS)
    assert json.loads(json.dumps(text)) == text
    kept = customer.to_dict(decimals="keep")
    assert kept["aggregations"] == attrs.asdict(customer.aggregations)
    assert (kept["metadata"], kept["tax_settings"]) == (customer.metadata, customer.tax_settings)
    assert Customer.from_dict(kept) == Customer.from_dict(text)


def test_dict() -> None:
    """Records are dicts, tuples lists, datetimes ISO text with their offset, and amounts text, or Decimals."""
    plain = FULL.to_dict()
    country = {"id": "CL", "name": "Chile", "currencies": ["CLP", "CLF"], "tax_percent": "19.00"}
    assert plain["country"] == dict.fromkeys(["name_en", "code", "phone_code", "has_regulation"]) | country
    assert plain["sources"] == ["src_1", "src,2"]
    assert [contact["name"] for contact in plain["contacts"]] == ["Íñigo\nMuñoz", "=1+1"]
    assert plain["contacts"][0]["created"] == plain["created"] == "2024-02-29T23:59:59.123456-03:00"
    assert plain["updated"] == "2024-03-01T00:00:00Z"
    assert plain["status"] == "suspendido"
    assert type(plain["status"]) is str
    assert plain["aggregations"] == {
        "sales": "1234567890123456789012345678.0123456789",
        "sales_current_period": "-0.10",
        "balance": "1E+3",
    }
    kept = FULL.to_dict(decimals="keep")
    assert typed(kept["aggregations"]["sales_current_period"]) == (Decimal, "Decimal('-0.10')")
    assert typed(kept["country"]["tax_percent"]) == (Decimal, "Decimal('19.00')")
    minimal = MINIMAL.to_dict()
    assert (minimal["country"], minimal["contacts"], minimal["sources"], minimal["metadata"]) == (None, [], [], {})


def test_copy() -> None:
    """A dict shares nothing that can be changed with its customer, neither this way nor back."""
    plain = GOOD.to_dict()
    twin = Customer.from_dict(plain)
    plain["metadata"]["tags"].append("b")
    plain["tax_settings"].clear()
    plain["contacts"].clear()
    assert twin == GOOD == Customer.from_json(to_json())


def test_numbers_in_metadata() -> None:
    """Metadata stays as it is; only a Decimal becomes an int, which is equal, where the dict is to be JSON."""
    numbers = {"n": [1, 1.5, True, {"large": Decimal("1E+400")}], "fraction": Decimal("1.10")}
    customer = evolve(MINIMAL, metadata=numbers)
    assert typed(customer.to_dict(decimals="keep")["metadata"]) == typed(numbers)
    plain = customer.to_dict()["metadata"]
    assert typed(plain) == typed({"n": [1, 1.5, True, {"large": 10**400}], "fraction": "1.10"})
    assert plain["n"] == numbers["n"]


def test_deep() -> None:
    """Metadata that is nested as deep as a response may be does no harm."""
    deep = b'{"id": "cus_1", "metadata": {"a": %s1e400%s}}' % (b"[" * 600, b"]" * 600)
    customer = Customer.from_json(deep)
    levels, value = 0, customer.to_dict()["metadata"]["a"]
    while isinstance(value, list):
        levels, [value] = levels + 1, value
    assert (levels, value) == (600, 10**400)


def test_json() -> None:
    """The JSON is the line of the JSON lines export, with amounts as numbers."""
    line = export.JsonLinesEncoder().encode([FULL]).decode()
    assert FULL.to_json() + "\n" == line
    assert '"balance":1E+3}' in FULL.to_json()


def test_subclasses_of_datetime() -> None:
    """A datetime of another class, as pandas has it, is written, and read, as the moment that it is."""

    class Timestamp(datetime):
        pass

    stamp = Timestamp(2024, 2, 29, 23, 59, 59, 123456, tzinfo=CREATED.tzinfo)
    customer = evolve(MINIMAL, created=stamp, contacts=(Contact(updated=stamp),))
    for back in ROUND_TRIPS.values():
        twin = back(customer)
        assert twin.created == twin.contacts[0].updated == CREATED
        assert type(twin.created) is datetime


def test_records_of_the_api() -> None:
    """A record as the API sends it is read as a listing reads it, with its variants, and fields that are unknown."""
    assert typed(Customer.from_json(json.dumps(RECORD))) == typed(GOOD)
    assert Customer.from_dict(RECORD) == GOOD
    assert Customer.from_dict(MappingProxyType(RECORD)) == GOOD
    odd = record(country="CL", sources=[{"id": "src_1"}], aggregations={"balance": ""}, unknown=object)
    customer = Customer.from_dict(odd)
    assert (customer.country, customer.sources) == (Country(id="CL"), ("src_1",))
    assert customer.aggregations == Aggregations()
    assert Customer.from_dict({"id": "cus_1"}) == Customer(id="cus_1")


WRONG: dict[str, tuple[Any, str]] = {
    "nothing": ({}, r"\$\.id: 'id' is missing"),
    "no object": ([], r"\$: \[\] is not an object"),
    "text": ("cus_1", r"\$: 'cus_1' is not an object"),
    "null": (None, r"\$: None is not an object"),
    "id": (record(id=""), r"\$\.id: '' is not an id"),
    "amount": (record(aggregations={"balance": "NaN"}), r"\$\.aggregations.*'NaN' is not an amount \(customer cus_1\)"),
    "datetime": (record(created="yesterday"), r"\$\.created: 'yesterday' is not a date-time with a time zone"),
    "naive": (record(created=datetime(2024, 1, 1)), r"\$\.created: '2024-01-01T00:00:00' is not a date-time"),  # noqa: DTZ001
    "contact": (record(contacts=[{}, {"phone": 5}]), r"\$\.contacts\[1\]\.phone: 5 is not text"),
    "contacts": (record(contacts="cus_1"), r"\$\.contacts: 'cus_1' is not a list of contacts"),
    "flag": (record(send_invoices="no"), r"\$\.send_invoices: 'no' is not true or false"),
    "metadata": (record(metadata=[]), r"\$\.metadata: \[\] is not an object"),
    "object": (record(metadata={"a": object}), r"\$\.metadata: .*<class 'object'>.* cannot be read: type is not JSON"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_dict(name: str) -> None:
    """A dict that is not a customer's is an error that names the path and the value."""
    data, message = WRONG[name]
    with pytest.raises(DecodeError, match=f"^{message}") as caught:
        Customer.from_dict(data)
    assert str(caught.value).startswith(caught.value.path)
    assert caught.value.record_id in (None, "cus_1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"\$: "),
        ("{", r"\$: "),
        ("[]", r"\$: "),
        ("\ud800", r"\$: "),
        (b"\xff", r"\$: "),
        ('{"id": "cus_1"} {}', r"\$"),
        ('{"id": "cus_1", "created": "yesterday"}', r"\$\.created: 'yesterday' is not .* \(customer cus_1\)"),
        (5, r"text=5: expected JSON, as str or bytes"),
        (None, r"text=None: expected JSON, as str or bytes"),
    ],
)
def test_wrong_json(text: Any, message: str) -> None:
    """So is text that is not a customer's JSON."""
    with pytest.raises(DecodeError, match=f"^{message}"):
        Customer.from_json(text)


@given(st.recursive(st.none() | st.integers() | st.text() | st.floats() | st.binary(), st.lists) | st.text())
def test_anything(value: Any) -> None:
    """Whatever is read, the only error is a `DecodeError`."""
    for read in (Customer.from_dict, Customer.from_json):
        for data in (value, {"id": value}, {"id": "cus_1", "metadata": value, "created": value}):
            with suppress(DecodeError):
                read(data)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [math.inf, math.nan, Decimal("-Infinity"), Decimal("NaN")])
def test_not_json(value: Any) -> None:
    """A number that JSON lacks is an error of the JSON; a dict has it unchanged, where Decimals are kept."""
    customer = evolve(MINIMAL, metadata={"a": value})
    with pytest.raises(export.ExportError, match=r"^customer cus_minimal: metadata=.*: expected finite numbers"):
        customer.to_json()
    assert repr(customer.to_dict(decimals="keep")["metadata"]["a"]) == repr(value)


@pytest.mark.parametrize("write", [Customer.to_dict, Customer.to_json])
def test_no_json_at_all(write: Callable[[Customer], Any]) -> None:
    """An object that is not JSON is an error that names the field."""
    for wrong in (object(), pytest):
        customer = evolve(MINIMAL, metadata={"a": wrong})
        with pytest.raises(export.ExportError, match=r"^customer cus_minimal: metadata=.*: expected a JSON value"):
            write(customer)


@pytest.mark.parametrize("decimals", ["", "number", None, True, Decimal])
def test_wrong_argument(decimals: Any) -> None:
    """Any other kind of Decimals is refused."""
    with pytest.raises(PiriodError, match=r'^decimals=.*: expected "text" or "keep"$'):
        MINIMAL.to_dict(decimals=decimals)


def test_msgspec_agrees() -> None:
    """Where msgspec alone encodes a customer, the dict has the same values."""
    for customer in (GOOD, FULL, MINIMAL):
        assert msgspec.to_builtins(customer) | {"sources": [], "country": None} == customer.to_dict() | {
            "sources": [],
            "country": None,
            "contacts": tuple(customer.to_dict()["contacts"]),
        }
