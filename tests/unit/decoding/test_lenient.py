"""Lenient decoding: which deviations from the contract it forgives, and what it says about the others."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import attrs
import msgspec
import pytest

from piriod_async import Aggregations, Contact, Country, Customer, InvalidRecord, State
from piriod_async.decoding import strict
from piriod_async.decoding.lenient import InvalidRecordError, decode_leniently
from piriod_async.testing.mock_server import OMITTED
from tests.unit.decoding.samples import CONTACT, GOOD, RECORD, to_json, typed

LIMA = timezone(timedelta(hours=-5))
NOTHING = Aggregations()
NAIVE = CONTACT | {"created": "2020-05-12 15:42:09", "updated": "2020-05-12T15:42:09.000001"}
FORGIVEN: list[tuple[dict[str, Any], dict[str, Any]]] = [  # fields of the JSON, fields of the customer
    ({"test_mode": ""}, {"test_mode": None}),
    ({"state": "IL"}, {"state": State(id="IL")}),
    ({"state": ""}, {"state": None}),
    ({"country": "US"}, {"country": Country(id="US")}),
    ({"country": "US", "state": "IL"}, {"country": Country(id="US"), "state": State(id="IL")}),
    ({"country": ""}, {"country": None}),
    ({"country": {"id": "CL", "currencies": None}}, {"country": Country(id="CL")}),
    ({"country": {"id": "CL", "currencies": "", "tax_percent": ""}}, {"country": Country(id="CL")}),
    ({"country": {"id": "CL", "has_regulation": ""}}, {"country": Country(id="CL")}),
    ({"sources": [{"id": "src_1", "kind": "card"}, "src_2"]}, {"sources": ("src_1", "src_2")}),
    ({"sources": [7, {"id": 8}]}, {"sources": ("7", "8")}),
    ({"sources": None}, {"sources": ()}),
    ({"sources": ""}, {"sources": ()}),
    (
        {"contacts": [CONTACT | {"orgunit": {"id": "org_1", "name": "Pagos"}}]},
        {"contacts": (attrs.evolve(GOOD.contacts[0], orgunit="org_1"),)},
    ),
    ({"contacts": [CONTACT | {"orgunit": 12}]}, {"contacts": (attrs.evolve(GOOD.contacts[0], orgunit="12"),)}),
    (
        {"contacts": [CONTACT, CONTACT | {"orgunit": {"id": 12}}]},
        {"contacts": (GOOD.contacts[0], attrs.evolve(GOOD.contacts[0], orgunit="12"))},
    ),
    ({"contacts": [CONTACT | {"orgunit": {"id": None}}]}, {"contacts": GOOD.contacts}),
    (
        {"contacts": [{"name": None, "created": "", "updated": None, "invoicing": None, "collections": ""}]},
        {"contacts": (Contact(name="", invoicing=None, collections=None),)},
    ),
    ({"contacts": None}, {"contacts": ()}),
    ({"contacts": ""}, {"contacts": ()}),
    ({"aggregations": {"sales": "", "balance": "1.10"}}, {"aggregations": Aggregations(balance=Decimal("1.10"))}),
    ({"aggregations": None}, {"aggregations": NOTHING}),
    ({"aggregations": ""}, {"aggregations": NOTHING}),
    ({"created": "", "updated": ""}, {"created": None, "updated": None}),
    (
        {"contacts": [NAIVE]},
        {
            "contacts": (
                attrs.evolve(
                    GOOD.contacts[0],
                    created=datetime(2020, 5, 12, 15, 42, 9, tzinfo=UTC),
                    updated=datetime(2020, 5, 12, 15, 42, 9, 1, tzinfo=UTC),
                ),
            )
        },
    ),
    (
        {"contacts": [NAIVE | {"updated": None}], "created": "2023-11-07T05:31:56+00:00"},
        {
            "contacts": (
                attrs.evolve(GOOD.contacts[0], created=datetime(2020, 5, 12, 15, 42, 9, tzinfo=UTC), updated=None),
            )
        },
    ),
    (
        {"contacts": [NAIVE | {"updated": "2020-05-12T15:42:09-05:00"}]},
        {
            "contacts": (
                attrs.evolve(
                    GOOD.contacts[0],
                    created=datetime(2020, 5, 12, 15, 42, 9, tzinfo=UTC),
                    updated=datetime(2020, 5, 12, 15, 42, 9, tzinfo=LIMA),
                ),
            )
        },
    ),
    ({"status": ""}, {"status": None}),
    ({"name": None}, {"name": ""}),
    ({"country": {}, "state": {}}, {"country": None, "state": None}),
    (
        {"country": {"id": None, "name": "", "currencies": None}, "state": {"name": None}},
        {"country": None, "state": None},
    ),
    ({"country": {"name": "Chile"}}, {"country": Country(id="", name="Chile")}),
    ({"state": {"id": None, "code": "AZ"}}, {"state": State(id="", code="AZ")}),
    ({"vip": {"since": [1, None]}, "country": "CL"}, {"country": Country(id="CL")}),
]


def forgiven(raw: bytes) -> Customer:
    """Decode a record that strict decoding refuses."""
    with pytest.raises(msgspec.ValidationError):
        strict.decode_customer(raw)
    return decode_leniently(raw)


def refusal(raw: bytes, *, path: str = "results[17]") -> InvalidRecord:
    """Return what decoding a record refuses."""
    with pytest.raises(InvalidRecordError) as caught:
        decode_leniently(raw, path=path)
    assert caught.value.record.raw == raw
    return caught.value.record


@pytest.mark.parametrize(("fields", "expected"), FORGIVEN, ids=[str(fields)[:70] for fields, _ in FORGIVEN])
def test_forgiven(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    """Deviations that the live API was seen to send become what the contract means."""
    assert typed(forgiven(to_json(**fields))) == typed(attrs.evolve(GOOD, **expected))


@pytest.mark.parametrize("name", ["send_invoices", "send_collections", "send_vouchers"])
def test_flags(name: str) -> None:
    """Null is not consent: a flag that is null or empty is None, not the default of an omitted one."""
    for value in (None, ""):
        assert getattr(decode_leniently(to_json(**{name: value})), name) is None
    assert getattr(decode_leniently(to_json(**{name: OMITTED})), name) is True


@pytest.mark.parametrize("name", ["metadata", "tax_settings"])
def test_default_of_objects(name: str) -> None:
    """An object that is null or empty text is an empty dict, as if it were omitted."""
    for value in (None, ""):
        assert getattr(forgiven(to_json(**{name: value})), name) == {}


def test_null() -> None:
    """Null is never the text "None", nor a default that means something."""
    empty = dict.fromkeys(RECORD) | {"id": "cus_1", "name": "N"}
    nested = {
        "id": "cus_1",
        "name": "N",
        "country": dict.fromkeys(["name", "name_en", "code", "phone_code", "has_regulation", "currencies"])
        | {"id": "CL", "tax_percent": None},
        "state": {"id": 1, "name": None, "code": None, "country": None},
        "contacts": [dict.fromkeys(CONTACT) | {"name": None}],
        "aggregations": dict.fromkeys(("sales", "sales_current_period", "balance")),
    }
    assert decode_leniently(json.dumps(empty).encode()) == Customer(
        id="cus_1", name="N", send_invoices=None, send_collections=None, send_vouchers=None, status=None
    )
    assert decode_leniently(json.dumps(nested).encode()) == Customer(
        id="cus_1",
        name="N",
        country=Country(id="CL"),
        state=State(id=1),
        contacts=(Contact(name="", invoicing=None, collections=None),),
    )


ZONE = "a date-time with a time zone"
UNREADABLE: list[tuple[dict[str, Any], str, str]] = [
    ({"created": "yesterday"}, ".created", f"'yesterday' is not {ZONE}"),
    ({"created": "2020-05-12 15:42:09"}, ".created", f"'2020-05-12 15:42:09' is not {ZONE}"),
    ({"updated": "2020-05-12T15:42:09.5"}, ".updated", f"'2020-05-12T15:42:09.5' is not {ZONE}"),
    ({"created": "2020-05-12"}, ".created", f"'2020-05-12' is not {ZONE}"),
    ({"created": "2020-13-12T00:00:00Z"}, ".created", f"'2020-13-12T00:00:00Z' is not {ZONE}"),
    ({"created": " "}, ".created", f"' ' is not {ZONE}"),
    ({"created": 1589298129}, ".created", f"1589298129 is not {ZONE}"),
    ({"created": 1589298129.5}, ".created", f"1589298129.5 is not {ZONE}"),
    ({"created": True}, ".created", f"True is not {ZONE}"),
    ({"created": []}, ".created", f"[] is not {ZONE}"),
    ({"id": OMITTED}, ".id", "'id' is missing"),
    ({"id": None}, ".id", "None is not an id"),
    ({"id": ""}, ".id", "'' is not an id"),
    ({"id": 7}, ".id", "7 is not an id"),
    ({"name": ["N"]}, ".name", "['N'] is not text"),
    ({"phone": 56912345678}, ".phone", "56912345678 is not text"),
    ({"phone": False}, ".phone", "False is not text"),
    ({"address": {"street": "x"}}, ".address", "{'street': 'x'} is not text"),
    ({"send_invoices": "yes"}, ".send_invoices", "'yes' is not true or false"),
    ({"send_invoices": 1}, ".send_invoices", "1 is not true or false"),
    ({"test_mode": "false"}, ".test_mode", "'false' is not true or false"),
    ({"status": 3}, ".status", "3 is not a status"),
    ({"status": True}, ".status", "True is not a status"),
    ({"country": 56}, ".country", "56 is not an object"),
    ({"country": []}, ".country", "[] is not an object"),
    ({"country": {"id": 56}}, ".country.id", "56 is not text"),
    ({"country": {"id": "CL", "currencies": "CLP"}}, ".country.currencies", "'CLP' is not a list of text"),
    ({"country": {"id": "CL", "currencies": [1]}}, ".country.currencies", "[1] is not a list of text"),
    ({"country": {"id": "CL", "tax_percent": "ten"}}, ".country.tax_percent", "'ten' is not an amount"),
    ({"country": {"id": "CL", "has_regulation": 0}}, ".country.has_regulation", "0 is not true or false"),
    ({"state": True}, ".state", "True is not an object"),
    ({"state": {"id": True}}, ".state.id", "True is not an id"),
    ({"state": {"id": 1.5}}, ".state.id", "1.5 is not an id"),
    ({"sources": "src_1"}, ".sources", "'src_1' is not a list of text"),
    ({"sources": {}}, ".sources", "{} is not a list of text"),
    ({"sources": [None]}, ".sources", "[None] is not a list of text"),
    ({"sources": [{"kind": "card"}]}, ".sources", "[{'kind': 'card'}] is not a list of text"),
    ({"contacts": "Ana"}, ".contacts", "'Ana' is not a list of contacts"),
    ({"contacts": {"name": "Ana"}}, ".contacts", "{'name': 'Ana'} is not a list of contacts"),
    ({"contacts": [CONTACT, None]}, ".contacts[1]", "None is not an object"),
    ({"contacts": ["con_1"]}, ".contacts[0]", "'con_1' is not an object"),
    ({"contacts": [CONTACT | {"email": 7}]}, ".contacts[0].email", "7 is not text"),
    ({"contacts": [CONTACT | {"orgunit": {}}]}, ".contacts[0].orgunit", "{} is not text"),
    ({"contacts": [CONTACT | {"orgunit": True}]}, ".contacts[0].orgunit", "True is not text"),
    ({"contacts": [CONTACT | {"created": "soon"}]}, ".contacts[0].created", f"'soon' is not {ZONE}"),
    ({"contacts": [CONTACT | {"created": "2020-05-12"}]}, ".contacts[0].created", f"'2020-05-12' is not {ZONE}"),
    ({"contacts": [CONTACT | {"created": 5}]}, ".contacts[0].created", f"5 is not {ZONE}"),
    *(
        ({"contacts": [NAIVE], "created": created}, ".contacts[0].created", f"'2020-05-12 15:42:09' is not {ZONE}")
        for created in ("2020-10-15T13:26:15-03:00", "2020-10-15T13:26:15-00:00", None, OMITTED)
    ),
    ({"aggregations": []}, ".aggregations", "[] is not an object"),
    ({"aggregations": {"sales": "$ 1.000"}}, ".aggregations.sales", "'$ 1.000' is not an amount"),
    ({"aggregations": {"sales": "1,5"}}, ".aggregations.sales", "'1,5' is not an amount"),
    ({"aggregations": {"balance": " "}}, ".aggregations.balance", "' ' is not an amount"),
    ({"aggregations": {"balance": True}}, ".aggregations.balance", "True is not an amount"),
    ({"aggregations": {"balance": [1]}}, ".aggregations.balance", "[1] is not an amount"),
    ({"metadata": []}, ".metadata", "[] is not an object"),
    ({"metadata": "plan=gold"}, ".metadata", "'plan=gold' is not an object"),
    ({"tax_settings": 0}, ".tax_settings", "0 is not an object"),
]


@pytest.mark.parametrize(
    ("fields", "path", "problem"), UNREADABLE, ids=[str(fields)[:70] for fields, _, _ in UNREADABLE]
)
def test_unreadable(fields: dict[str, Any], path: str, problem: str) -> None:
    """The error has the path of the value, what is wrong with it, and the customer's id."""
    error = refusal(to_json(**{"id": "cus_x", **fields}))
    record_id = None if "id" in fields else "cus_x"
    assert str(error) == f"results[17]{path}: {problem}" + (" (customer cus_x)" if record_id else "")
    assert (error.path, error.record_id) == (f"results[17]{path}", record_id)


@pytest.mark.parametrize("text", ["nan", "sNaN", "Infinity", "-inf", "-Infinity"])
def test_infinite_money(text: str) -> None:
    """Money must be a finite number."""
    error = refusal(to_json(aggregations={"sales": text}))
    assert str(error) == f"results[17].aggregations: {str(Decimal(text))!r} is not an amount (customer cus_1)"


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"aggregations": {"sales": "1", "balance": "NaN"}}, "results[17].aggregations"),
        ({"aggregations": {"sales_current_period": "NaN"}}, "results[17].aggregations"),
        ({"country": {"id": "CL", "tax_percent": "NaN"}}, "results[17].country"),
    ],
)
def test_nan(fields: dict[str, Any], path: str) -> None:
    """NaN is refused in every field of money, and in the tax rate."""
    error = refusal(to_json(**fields))
    assert (error.path, error.record_id) == (path, "cus_1")
    assert str(error) == f"{path}: 'NaN' is not an amount (customer cus_1)"


@pytest.mark.parametrize("number", ["1e99999999999999999999", "1e50000000", "1e-50000000", "0e-50000000", "1e1001"])
@pytest.mark.parametrize("name", ["zip_code", "aggregations", "country"])
def test_number_out_of_range(name: str, number: str) -> None:
    """A number that no Decimal can hold, or that takes megabytes to write out, is an error of its field."""
    values = {"aggregations": f'{{"balance": {number}}}', "country": f'{{"id": "CL", "tax_percent": {number}}}'}
    record = refusal(to_json(**{name: "?"}).replace(b'"?"', values.get(name, number).encode()))
    assert record.path.startswith(f"results[17].{name}")
    assert record.record_id == "cus_1"
    assert len(str(record)) < 150


@pytest.mark.parametrize("name", ["metadata", "tax_settings"])
def test_number_out_of_range_in_json(name: str) -> None:
    """In `metadata`, a number too large for a float is kept as a Decimal, up to a reasonable exponent."""
    raw = to_json(**{name: "?"})
    customer = forgiven(raw.replace(b'"?"', b'{"a": [-1e400], "b": 1.50e1000, "c": 1.5}'))
    assert typed(getattr(customer, name)) == typed({"a": [Decimal("-1E+400")], "b": Decimal("1.50E+1000"), "c": 1.5})
    for number in (b"1e1001", b"1e50000000", b"1e99999999999999999999"):
        record = refusal(raw.replace(b'"?"', b'{"a": %b}' % number))
        assert str(record) == f"results[17].{name}: number out of range (customer cus_1)"


def test_exact_money() -> None:
    """Money stays exact when another field needs lenient decoding."""
    customer = decode_leniently(b'{"id":"c","name":"N","state":"IL","aggregations":{"balance":12345678901234567.890}}')
    assert typed(customer.aggregations.balance) == typed(Decimal("12345678901234567.890"))


def test_json_fields() -> None:
    """Numbers in `metadata` and `tax_settings` stay floats when another field needs lenient decoding."""
    metadata = {"rate": 1.10, "big": 2**70, "small": 1e-7, "n": 5, "yes": True, "deep": [{"x": 0.1}]}
    customer = decode_leniently(to_json(metadata=metadata, tax_settings=metadata, state="IL"))
    assert typed(customer.metadata) == typed(customer.tax_settings) == typed(metadata)


def test_long_value() -> None:
    """A long value is truncated in the message."""
    error = refusal(to_json(contacts="x" * 1_000_000))
    assert len(str(error)) < 300
    assert "xxx… is not a list of contacts" in str(error)


@pytest.mark.parametrize("value", [b"null", b"3", b'"cus_1"', b"[]", b"true"])
def test_not_an_object(value: bytes) -> None:
    """A record that is not an object is an error without an id."""
    error = refusal(value)
    assert str(error).startswith("results[17]: Expected `object`, got `")
    assert (error.path, error.record_id) == ("results[17]", None)


@pytest.mark.parametrize(
    "raw", [b'{"id": "cus_x", "name": "\xff"}', b'{"name": "N", "metadata": {"\xc3\x28": 1}, "id": "cus_x"}']
)
def test_bad_utf_8(raw: bytes) -> None:
    """Bad UTF-8 is an error that has the field, and the customer's id."""
    error = refusal(raw)
    name = "name" if b'"name": "\xff"' in raw else "metadata"
    assert (error.path, error.record_id) == (f"results[17].{name}", "cus_x")
    assert str(error).startswith(f"results[17].{name}: 'utf-8' codec can't decode byte 0x")
    assert str(error).endswith("(customer cus_x)")


def test_bad_utf_8_in_the_id() -> None:
    """An id that is not UTF-8 is left out of the error."""
    error = refusal(b'{"id": "\xff", "name": "N"}')
    assert (error.path, error.record_id) == ("results[17].id", None)


def test_unread_field() -> None:
    """Bad UTF-8 and huge numbers in fields that no record has do not matter."""
    assert decode_leniently(b'{"id": "c", "name": "N", "x": "\xff", "y": 1e999, "state": "IL"}').state == State(id="IL")


@pytest.mark.parametrize("name", ["metadata", "country", "contacts", "sources", "phone"])
def test_extreme_nesting(name: str) -> None:
    """JSON that is nested too deeply is an error of its field."""
    for start, end in ((b"[", b"]"), (b'{"a":', b"}")):
        nested = start * 100_000 + b"1" + end * 100_000
        record = refusal(b'{"%b": %b, "id": "c", "name": "N"}' % (name.encode(), nested))
        assert (record.path, record.record_id) == (f"results[17].{name}", "c")


@pytest.mark.parametrize("name", ["metadata", "state", "sources", "unknown"])
def test_nesting(name: str) -> None:
    """At every depth, a record is decoded or a short error is raised, whichever layer reaches its limit first."""
    for depth in range(50, 1_100, 50):
        nested = b'{"a":' * depth + b"1" + b"}" * depth
        try:
            customer = decode_leniently(b'{"id": "c", "name": "N", "created": "", "%b": %b}' % (name.encode(), nested))
        except InvalidRecordError as error:
            assert (depth >= 500 and name == "metadata") or name in ("state", "sources")
            assert error.record.path.startswith(f"$.{name}")  # noqa: PT017
            assert len(str(error.record)) < 300  # noqa: PT017
        else:
            assert customer.id == "c"
