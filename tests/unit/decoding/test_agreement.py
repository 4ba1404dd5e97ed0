"""Strict and lenient decoding agree on any JSON, and neither raises anything but its own errors."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from piriod_async import Customer, InvalidRecord
from piriod_async.decoding import strict
from piriod_async.decoding.fields import read_key
from piriod_async.decoding.lenient import InvalidRecordError, decode_leniently
from tests.unit.decoding.samples import RECORD, typed

LIMA = timezone(timedelta(hours=-5))

texts = st.sampled_from(["", " ", "N", "None", "Ñandú 🙂", "\x7f\x85", "5"]) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=8
)
stamps = st.sampled_from(
    [
        *("2023-11-07T05:31:56Z", "2023-11-07t05:31:56z", "2020-10-15T13:26:15.356289-03:00", "2020-05-12 15:42:09"),
        *("2020-05-12 15:42:09Z", "2020-05-12T15:42:09.1234567Z", "2020-05-12", "yesterday", "0001-01-01T00:00:00Z"),
        *("9999-12-31T23:59:59.9999999Z", "2020-05-12T24:00:00Z", "2020-05-12T15:42:09+00:00", "2020-05-12T15:42Z"),
    ]
) | st.datetimes(timezones=st.none() | st.just(UTC) | st.just(LIMA)).map(datetime.isoformat)
numbers = (
    st.integers()
    | st.sampled_from([0, -1, 2**53 + 1, 2**63, 2**64, 10**25])
    | st.floats(allow_nan=False, allow_infinity=False)
)
amounts = numbers | st.sampled_from(
    ["", "1.10", "12345678901234567.89", "NaN", "1e5", "1_000", " 1", "\N{ARABIC-INDIC DIGIT ONE}", "x", "-0"]
)
anything = st.recursive(
    st.none() | st.booleans() | numbers | texts | stamps,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts | st.just("id"), inner, max_size=3),
    max_leaves=6,
)
flags = st.booleans()


def mostly(good: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw a good value, now and then null, and rarely anything."""
    return st.integers(0, 11).flatmap(lambda n: anything if n == 0 else st.none() if n == 1 else good)


def objects(required: dict[str, st.SearchStrategy[Any]], **optional: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    extra = {"unknown": anything}
    return st.fixed_dictionaries(
        {name: mostly(value) for name, value in required.items()},
        optional={name: mostly(value) for name, value in (optional | extra).items()},
    )


ids = texts | numbers
own = st.dictionaries(texts, anything, max_size=3)
countries = objects(
    {"id": texts},
    name=texts,
    name_en=texts,
    code=texts,
    phone_code=texts,
    has_regulation=flags,
    currencies=st.lists(texts, max_size=2),
    tax_percent=amounts,
)
states = objects({"id": ids}, name=texts, code=texts, country=texts)
contacts = objects(
    {"name": texts},
    id=texts,
    customer=texts,
    orgunit=texts | st.integers() | st.fixed_dictionaries({"id": ids}),
    email=texts,
    phone=texts,
    invoicing=flags,
    collections=flags,
    created=stamps,
    updated=stamps,
)
records = objects(
    {"id": texts, "name": texts},
    country=countries | texts,
    state=states | texts,
    tax_settings=own,
    metadata=own,
    status=st.sampled_from(["active", "archived", "pending", "", "en_mora"]) | texts,
    contacts=st.lists(contacts, max_size=2),
    sources=st.lists(texts | st.fixed_dictionaries({"id": ids}), max_size=2),
    aggregations=objects({}, sales=amounts, sales_current_period=amounts, balance=amounts),
    test_mode=flags,
    created=stamps,
    updated=stamps,
    **dict.fromkeys(["address", "currency", "email", "phone", "website", "zip_code", "manager", "reference"], texts),
    **dict.fromkeys(["send_invoices", "send_collections", "send_vouchers"], flags),
)
conforming = st.fixed_dictionaries(  # accepted by strict decoding, nearly always
    {"id": texts.filter(bool), "name": texts},
    optional={
        "country": st.fixed_dictionaries({"id": texts}, optional={"name": texts, "tax_percent": numbers}),
        "state": st.fixed_dictionaries({"id": texts | st.integers()}, optional={"code": texts, "unknown": anything}),
        "metadata": own,
        "tax_settings": own,
        "status": texts.filter(bool),
        "phone": texts | st.none(),
        "send_vouchers": flags,
        "contacts": st.lists(st.fixed_dictionaries({"name": texts}, optional={"email": texts | st.none()}), max_size=2),
        "sources": st.lists(texts, max_size=2),
        "aggregations": st.fixed_dictionaries({}, optional={"sales": numbers, "balance": st.none() | numbers}),
        "created": st.datetimes(timezones=st.just(UTC) | st.just(LIMA)).map(datetime.isoformat),
    },
)


def outcome(raw: bytes, *, path: str = "$") -> Customer | InvalidRecord:
    """Return the customer that lenient decoding returns, or the record that it refuses."""
    try:
        return decode_leniently(raw, path=path)
    except InvalidRecordError as error:
        return error.record


def agree(record: Any) -> bool:
    """Return whether strict decoding accepts a record; lenient decoding must then return an equal customer."""
    raw = msgspec.json.encode(record)
    try:
        first = strict.decode_customer(raw)
    except msgspec.ValidationError:
        return False
    second = decode_leniently(raw)
    assert second == first
    assert typed(second) == typed(first)
    assert read_key(raw) == strict.decode_key(raw)
    return True


@settings(max_examples=300, deadline=None)
@given(conforming)
def test_conforming(record: dict[str, Any]) -> None:
    """Both accept conforming records, and return equal customers."""
    assert agree(record)


@settings(max_examples=400, deadline=None)
@given(records)
def test_mostly_conforming(record: dict[str, Any]) -> None:
    """Lenient decoding returns the customer that strict decoding refuses, or names the record; its key is the same."""
    if agree(record):
        return
    result = outcome(msgspec.json.encode(record), path="results[3]")
    key = read_key(msgspec.json.encode(record))
    if isinstance(result, InvalidRecord):
        assert result.path.startswith("results[3]")
        assert result.record_id == (record["id"] if isinstance(record["id"], str) and record["id"] else None)
        assert result.record_id == (key.id if key else None)
    else:
        assert key
        assert (result.id, result.created) == (key.id, key.created) == (record["id"], result.created)


@settings(max_examples=200, deadline=None)
@given(anything | st.dictionaries(st.sampled_from(list(RECORD)), anything, max_size=6))
def test_any_json(value: Any) -> None:
    """Lenient decoding raises nothing but its own error."""
    result = outcome(msgspec.json.encode(value))
    assert isinstance(result, Customer) or result.path.startswith("$")
