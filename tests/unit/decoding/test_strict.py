"""Strict decoding: what the contract allows, and how exact it is. Lenient decoding must agree on all of it."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import attrs
import pytest

from piriod_async import Aggregations, Contact, Country, Customer, CustomerStatus, State
from piriod_async.decoding import strict
from piriod_async.decoding.lenient import decode_leniently
from piriod_async.testing.mock_server import OMITTED
from tests.unit.decoding.samples import CL, CONTACT, GOOD, RECORD, page_of, record, to_json, typed

NOTHING = Aggregations()
US = {
    "id": "US",
    "name": "Estados Unidos",
    "name_en": "United states",
    "phone_code": "+1",
    "has_regulation": False,
    "tax_percent": 10,
}
SENT = ("send_invoices", "send_collections", "send_vouchers")
ACCEPTED: list[tuple[dict[str, Any], dict[str, Any]]] = [  # fields of the JSON, fields of the customer
    ({"state": {"id": "USAZ", "code": "AZ", "name": "Az"}}, {"state": State(id="USAZ", code="AZ", name="Az")}),
    ({"state": None}, {"state": None}),
    ({"state": OMITTED}, {"state": None}),
    ({"state": {"id": 7, "name": None, "code": None}}, {"state": State(id=7)}),
    (
        {"country": US},
        {
            "country": Country(
                id="US",
                name="Estados Unidos",
                name_en="United states",
                phone_code="+1",
                has_regulation=False,
                tax_percent=Decimal(10),
            )
        },
    ),
    ({"country": {"id": "US", "tax_percent": "8.25"}}, {"country": Country(id="US", tax_percent=Decimal("8.25"))}),
    ({"country": None}, {"country": None}),
    ({"country": OMITTED}, {"country": None}),
    ({"sources": []}, {"sources": ()}),
    ({"sources": OMITTED}, {"sources": ()}),
    ({"contacts": [CONTACT | {"orgunit": "org_1"}]}, {"contacts": (attrs.evolve(GOOD.contacts[0], orgunit="org_1"),)}),
    ({"contacts": [{"name": "Ana"}]}, {"contacts": (Contact(name="Ana"),)}),
    ({"contacts": [CONTACT] * 50}, {"contacts": GOOD.contacts * 50}),
    ({"contacts": OMITTED}, {"contacts": ()}),
    ({"aggregations": {"sales": "3757.00"}}, {"aggregations": Aggregations(sales=Decimal("3757.00"))}),
    ({"aggregations": {"sales": None, "balance": None}}, {"aggregations": NOTHING}),
    ({"aggregations": {}}, {"aggregations": NOTHING}),
    ({"aggregations": OMITTED}, {"aggregations": NOTHING}),
    (
        {"created": "2020-10-15T13:26:15.356289-03:00"},
        {"created": datetime(2020, 10, 15, 13, 26, 15, 356289, tzinfo=timezone(timedelta(hours=-3)))},
    ),
    ({"created": "2020-10-15 13:26:15+00:00"}, {"created": datetime(2020, 10, 15, 13, 26, 15, tzinfo=UTC)}),
    ({"created": None, "updated": OMITTED}, {"created": None, "updated": None}),
    ({"test_mode": True}, {"test_mode": True}),
    ({"status": OMITTED}, {"status": CustomerStatus.ACTIVE}),
    ({"status": "archived"}, {"status": CustomerStatus.ARCHIVED}),
    ({"status": "en_mora"}, {"status": CustomerStatus("en_mora")}),
    ({"status": None}, {"status": None}),
    (dict.fromkeys(SENT, None), dict.fromkeys(SENT, None)),
    (
        {"contacts": [CONTACT | {"invoicing": None, "collections": None}]},
        {"contacts": (attrs.evolve(GOOD.contacts[0], invoicing=None, collections=None),)},
    ),
    ({"name": OMITTED}, {"name": ""}),
    ({"contacts": [{}]}, {"contacts": (Contact(name=""),)}),
    ({"tax_settings": {"cl_activity_description": "x"}}, {"tax_settings": {"cl_activity_description": "x"}}),
    ({"vip": {"since": [1, None]}, "country": CL | {"capital": "Santiago"}}, {}),
    ({"contacts": [CONTACT | {"fax": "no"}], "aggregations": RECORD["aggregations"] | {"debt": "?"}}, {}),
    ({"name": "漢字 🙂 \x7f \u2028"}, {"name": "漢字 🙂 \x7f \u2028"}),
]
OPTIONAL_TEXT = ["address", "currency", "email", "phone", "website", "zip_code", "manager", "reference", "tax_id"]


def decoded(raw: bytes) -> Customer:
    """Decode a record strictly; lenient decoding must do the same."""
    customer = strict.decode_customer(raw)
    assert typed(decode_leniently(raw)) == typed(customer)
    return customer


def test_contract() -> None:
    """A record as the contract describes it is decoded with all its fields and exact types."""
    assert typed(decoded(to_json())) == typed(GOOD)


@pytest.mark.parametrize(("fields", "expected"), ACCEPTED, ids=[str(fields)[:70] for fields, _ in ACCEPTED])
def test_accepted(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    """Values that the contract allows need no lenient decoding."""
    assert typed(decoded(to_json(**fields))) == typed(attrs.evolve(GOOD, **expected))


@pytest.mark.parametrize("name", OPTIONAL_TEXT)
def test_optional_text(name: str) -> None:
    """Optional text may be text, null or omitted, and null does not become the text "None"."""
    for value in ("", "None", "null", "Ñ"):
        assert getattr(decoded(to_json(**{name: value})), name) == value
    for nothing in (None, OMITTED):
        assert getattr(decoded(to_json(**{name: nothing})), name) is None


def test_defaults() -> None:
    """An omitted field has the default of the contract, or else None."""
    flags, objects = ("send_invoices", "send_collections", "send_vouchers"), ("metadata", "tax_settings")
    customer = decoded(to_json(**dict.fromkeys((*flags, *objects, "test_mode"), OMITTED)))
    assert [getattr(customer, name) for name in flags] == [True, True, True]
    assert [getattr(customer, name) for name in objects] == [{}, {}]
    assert customer.test_mode is None
    assert decoded(to_json(test_mode=None)).test_mode is None


def test_minimum() -> None:
    """Only `id` is required."""
    assert decoded(b'{"id": "cus_1"}') == Customer(id="cus_1", name="")


@pytest.mark.parametrize(
    "text", ["12345678901234567.89", "1.10", "0.1", "-0.00", "1E400", "1e-7", "100", "0.30000000000000004"]
)
def test_exact_money(text: str) -> None:
    """Money keeps every digit of the JSON text, quoted or not."""
    for amount in (text.encode(), b'"%b"' % text.encode()):
        raw = b'{"id":"c","name":"N","aggregations":{"balance":%b},"country":{"id":"CL","tax_percent":%b}}'
        customer = decoded(raw % (amount, amount))
        assert customer.country
        for value in (customer.aggregations.balance, customer.country.tax_percent):
            assert isinstance(value, Decimal)
            assert value.as_tuple() == Decimal(text).as_tuple()


def test_json_fields() -> None:
    """Numbers in `metadata` and `tax_settings` are what `json.loads` makes of them."""
    metadata = {"rate": 1.10, "big": 2**70, "small": 1e-7, "n": 5, "yes": True, "deep": [{"x": 0.1}]}
    customer = decoded(to_json(metadata=metadata, tax_settings=metadata))
    assert typed(customer.metadata) == typed(customer.tax_settings) == typed(metadata)


def test_surrogate_pair() -> None:
    """An escaped surrogate pair is one character."""
    assert decoded(rb'{"id": "c", "name": "\ud83d\ude42"}').name == "🙂"


def test_unread_field() -> None:
    """Bad UTF-8 and huge numbers in fields that no record has do not matter."""
    assert decoded(b'{"id": "c", "name": "N", "x": "\xff", "y": 1e999}') == Customer(id="c", name="N")


def test_page() -> None:
    """A page is decoded to its customers, its keys, or its undecoded records."""
    body = page_of(RECORD, record(id="cus_2"), count=142)
    assert strict.decode_customers(body) == (GOOD, attrs.evolve(GOOD, id="cus_2"))
    page = strict.decode_keys(body)
    assert [(key.id, key.created) for key in page.keys] == [("cus_1", GOOD.created), ("cus_2", GOOD.created)]
    assert (page.count, page.raw, page.unplaced_ids) == (142, body, ())
    split = strict.split_page(body)
    assert (split.count, [strict.decode_customer(each).id for each in split.results]) == (142, ["cus_1", "cus_2"])


@pytest.mark.parametrize(
    ("link", "has_next"),
    [("", False), ('"next":null,', False), ('"next":"",', False), ('"next":"http://h/?page=2",', True)],
)
def test_next_link(link: str, has_next: bool) -> None:
    """A page says whether it links to a next one, by either way of decoding."""
    body = f'{{"count":9,{link}"results":[]}}'.encode()
    assert strict.decode_keys(body).has_next is has_next
    assert strict.split_page(body).has_next is has_next


@pytest.mark.parametrize("body", [b'{"results":[],"count":0}', b'\n{ "count":0 ,"results" :[ ], "x":{"a":[1e999]}}\n'])
def test_envelope(body: bytes) -> None:
    """Only `count` and `results` are required of a page; other fields are ignored."""
    assert (strict.decode_customers(body), strict.decode_keys(body).count) == ((), 0)
    assert strict.split_page(body) == strict.Envelope(count=0, results=[])
