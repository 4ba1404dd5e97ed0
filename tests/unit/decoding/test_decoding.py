"""Bytes to customers, by two lanes: what is accepted, what it becomes, and what is said of the rest."""

import asyncio
import json
import math
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, TypeVar

import attrs
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from piriod_async import Aggregations, Contact, Country, Customer, CustomerStatus, DecodeError, Page, State
from piriod_async.decoding.strict import _customer, decode_keys, decode_odd, decode_page
from piriod_async.testing.mock_server import OMITTED, MockServer

T = TypeVar("T")
LIMA = timezone(timedelta(hours=-5))
CL = {"id": "CL", "name": "Chile", "code": "+56", "has_regulation": True, "currencies": ["CLP", "CLF"]}
CONTACT = {
    "id": "con_1",
    "customer": "cus_1",
    "orgunit": None,
    "name": "Begoña",
    "email": "b@c.cl",
    "phone": None,
    "invoicing": True,
    "collections": False,
    "created": "2023-11-07T05:31:56Z",
    "updated": "2023-11-07T05:31:56.000001Z",
}
RECORD = {
    "id": "cus_1",
    "name": "Ñandú SpA",
    "address": "Av. Matta 1, Santiago",
    "country": CL,
    "state": {"id": 7, "name": "Metropolitana", "country": "CL"},
    "currency": "CLP",
    "email": "a+b@c.cl",
    "phone": "+56912345678",
    "website": "https://c.cl/",
    "zip_code": "8320000",
    "manager": "Íñigo",
    "reference": "ERP-1",
    "tax_id": "76.123.456-K",
    "tax_settings": {"cl_activity_description": "Venta al por menor"},
    "metadata": {"plan": "gold", "seats": 5, "rate": 1.5, "tags": ["a", None]},
    "send_invoices": True,
    "send_collections": False,
    "send_vouchers": True,
    "status": "active",
    "contacts": [CONTACT],
    "sources": ["src_1", "src_2"],
    "aggregations": {"sales": 3757.25, "sales_current_period": 0, "balance": -12.5},
    "test_mode": False,
    "created": "2023-11-07T05:31:56Z",
    "updated": "2023-11-07T05:31:56.123456Z",
}
INSTANT = datetime(2023, 11, 7, 5, 31, 56, tzinfo=UTC)
GOOD = Customer(
    id="cus_1",
    name="Ñandú SpA",
    address="Av. Matta 1, Santiago",
    country=Country(id="CL", name="Chile", code="+56", has_regulation=True, currencies=("CLP", "CLF")),
    state=State(id=7, name="Metropolitana", country="CL"),
    currency="CLP",
    email="a+b@c.cl",
    phone="+56912345678",
    website="https://c.cl/",
    zip_code="8320000",
    manager="Íñigo",
    reference="ERP-1",
    tax_id="76.123.456-K",
    tax_settings={"cl_activity_description": "Venta al por menor"},
    metadata={"plan": "gold", "seats": 5, "rate": 1.5, "tags": ["a", None]},
    send_invoices=True,
    send_collections=False,
    send_vouchers=True,
    status=CustomerStatus.ACTIVE,
    contacts=(
        Contact(
            id="con_1",
            customer="cus_1",
            name="Begoña",
            email="b@c.cl",
            collections=False,
            created=INSTANT,
            updated=INSTANT.replace(microsecond=1),
        ),
    ),
    sources=("src_1", "src_2"),
    aggregations=Aggregations(sales=Decimal("3757.25"), sales_current_period=Decimal(0), balance=Decimal("-12.5")),
    test_mode=False,
    created=INSTANT,
    updated=INSTANT.replace(microsecond=123_456),
)


def page_of(*records: Any, count: int | None = None) -> bytes:
    """Return a body with records in it; those given as bytes go in as they are."""
    rows = [record if isinstance(record, bytes) else json.dumps(record).encode() for record in records]
    total = len(rows) if count is None else count
    return b'{"count": %d, "next": null, "previous": null, "results": [%b]}' % (total, b", ".join(rows))


def record(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in (RECORD | fields).items() if value is not OMITTED}


def neighbours(odd: Any) -> bytes:
    """Return a page of five with an odd one in the middle."""
    return page_of(*(record(id=f"cus_{n}") for n in "ab"), odd, *(record(id=f"cus_{n}") for n in "de"))


def leaves(value: Any) -> Any:
    """Return a record as nested builtins in which every leaf stands beside its type."""
    if attrs.has(type(value)):
        return type(value), {name.name: leaves(getattr(value, name.name)) for name in attrs.fields(type(value))}
    if isinstance(value, dict):
        return {key: leaves(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value), [leaves(inner) for inner in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return type(value), repr(value)


def outcome(raw: bytes, *, path: str = "$") -> Customer | DecodeError:
    try:
        return decode_odd(raw, path=path)
    except DecodeError as error:
        return error


async def refusal(body: bytes) -> DecodeError:
    with pytest.raises(DecodeError) as caught:
        await decode_page(body)
    return caught.value


async def test_a_page_as_the_contract_has_it() -> None:
    body = page_of(RECORD, count=142)
    page = await decode_page(body)
    assert page == Page(customers=(GOOD,), count=142, raw=body)
    assert leaves(page.customers[0]) == leaves(GOOD) == leaves(decode_odd(json.dumps(RECORD).encode()))


async def test_a_page_of_nothing() -> None:
    assert await decode_page(page_of()) == Page(customers=(), count=0, raw=page_of())


@pytest.mark.parametrize("body", [b'{"results":[],"count":0}', b'\n{ "count":0 ,"results" :[ ], "x":{"a":[1e999]}}\n'])
async def test_the_envelope_may_have_more_or_less(body: bytes) -> None:
    assert (await decode_page(body)).customers == ()


# --- every variation that was seen, in the midst of a page ---

NOTHING = Aggregations()
US = {
    "id": "US",
    "name": "Estados Unidos",
    "name_en": "United states",
    "phone_code": "+1",
    "has_regulation": False,
    "tax_percent": 10,
}
NAIVE = CONTACT | {"created": "2020-05-12 15:42:09", "updated": "2020-05-12T15:42:09.000001"}
ACCEPTED: list[tuple[int, dict[str, Any], dict[str, Any]]] = [  # the lane, what comes, what becomes of it
    (1, {"state": {"id": "USAZ", "code": "AZ", "name": "Az"}}, {"state": State(id="USAZ", code="AZ", name="Az")}),
    (2, {"state": "IL"}, {"state": State(id="IL")}),
    (1, {"state": None}, {"state": None}),
    (2, {"state": ""}, {"state": None}),
    (1, {"state": OMITTED}, {"state": None}),
    (1, {"state": {"id": 7, "name": None, "code": None}}, {"state": State(id=7)}),
    (
        1,
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
    (1, {"country": {"id": "US", "tax_percent": "8.25"}}, {"country": Country(id="US", tax_percent=Decimal("8.25"))}),
    (2, {"country": "US"}, {"country": Country(id="US")}),
    (2, {"country": "US", "state": "IL"}, {"country": Country(id="US"), "state": State(id="IL")}),
    (1, {"country": None}, {"country": None}),
    (2, {"country": ""}, {"country": None}),
    (1, {"country": OMITTED}, {"country": None}),
    (2, {"country": {"id": "CL", "currencies": None}}, {"country": Country(id="CL")}),
    (2, {"country": {"id": "CL", "currencies": "", "tax_percent": ""}}, {"country": Country(id="CL")}),
    (2, {"country": {"id": "CL", "has_regulation": ""}}, {"country": Country(id="CL")}),
    (2, {"sources": [{"id": "src_1", "kind": "card"}, "src_2"]}, {"sources": ("src_1", "src_2")}),
    (2, {"sources": [7, {"id": 8}]}, {"sources": ("7", "8")}),
    (1, {"sources": []}, {"sources": ()}),
    (2, {"sources": None}, {"sources": ()}),
    (2, {"sources": ""}, {"sources": ()}),
    (1, {"sources": OMITTED}, {"sources": ()}),
    (
        1,
        {"contacts": [CONTACT | {"orgunit": "org_1"}]},
        {"contacts": (attrs.evolve(GOOD.contacts[0], orgunit="org_1"),)},
    ),
    (
        2,
        {"contacts": [CONTACT | {"orgunit": {"id": "org_1", "name": "Pagos"}}]},
        {"contacts": (attrs.evolve(GOOD.contacts[0], orgunit="org_1"),)},
    ),
    (2, {"contacts": [CONTACT | {"orgunit": 12}]}, {"contacts": (attrs.evolve(GOOD.contacts[0], orgunit="12"),)}),
    (
        2,
        {"contacts": [CONTACT, CONTACT | {"orgunit": {"id": 12}}]},
        {"contacts": (GOOD.contacts[0], attrs.evolve(GOOD.contacts[0], orgunit="12"))},
    ),
    (2, {"contacts": [CONTACT | {"orgunit": {"id": None}}]}, {"contacts": GOOD.contacts}),
    (1, {"contacts": [{"name": "Ana"}]}, {"contacts": (Contact(name="Ana"),)}),
    (
        2,
        {"contacts": [{"name": "", "created": "", "updated": None, "invoicing": None, "collections": ""}]},
        {"contacts": (Contact(name=""),)},
    ),
    (1, {"contacts": [CONTACT] * 50}, {"contacts": GOOD.contacts * 50}),
    (2, {"contacts": None}, {"contacts": ()}),
    (2, {"contacts": ""}, {"contacts": ()}),
    (1, {"contacts": OMITTED}, {"contacts": ()}),
    (1, {"aggregations": {"sales": "3757.00"}}, {"aggregations": Aggregations(sales=Decimal("3757.00"))}),
    (2, {"aggregations": {"sales": "", "balance": "1.10"}}, {"aggregations": Aggregations(balance=Decimal("1.10"))}),
    (1, {"aggregations": {"sales": None, "balance": None}}, {"aggregations": NOTHING}),
    (1, {"aggregations": {}}, {"aggregations": NOTHING}),
    (2, {"aggregations": None}, {"aggregations": NOTHING}),
    (2, {"aggregations": ""}, {"aggregations": NOTHING}),
    (1, {"aggregations": OMITTED}, {"aggregations": NOTHING}),
    (
        1,
        {"created": "2020-10-15T13:26:15.356289-03:00"},
        {"created": datetime(2020, 10, 15, 13, 26, 15, 356289, tzinfo=timezone(timedelta(hours=-3)))},
    ),
    (1, {"created": "2020-10-15 13:26:15+00:00"}, {"created": datetime(2020, 10, 15, 13, 26, 15, tzinfo=UTC)}),
    (1, {"created": None, "updated": OMITTED}, {"created": None, "updated": None}),
    (2, {"created": "", "updated": ""}, {"created": None, "updated": None}),
    (
        2,
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
        2,
        {"contacts": [NAIVE | {"updated": None}], "created": "2023-11-07T05:31:56+00:00"},
        {
            "contacts": (
                attrs.evolve(GOOD.contacts[0], created=datetime(2020, 5, 12, 15, 42, 9, tzinfo=UTC), updated=None),
            )
        },
    ),
    (
        2,
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
    *(
        (1, {name: value}, {name: None if value in (None, OMITTED) else value})
        for name in ("address", "currency", "email", "phone", "website", "zip_code", "manager", "reference", "tax_id")
        for value in (None, "", OMITTED, "None", "null")
    ),
    *(
        (lane, {name: value}, {name: True})
        for name in ("send_invoices", "send_collections", "send_vouchers")
        for lane, value in ((1, True), (2, None), (2, ""), (1, OMITTED))
    ),
    *(
        (lane, {name: value}, {name: {}})
        for name in ("metadata", "tax_settings")
        for lane, value in ((1, {}), (2, None), (2, ""), (1, OMITTED))
    ),
    *((lane, {"test_mode": value}, {"test_mode": None}) for lane, value in ((1, None), (2, ""), (1, OMITTED))),
    (1, {"test_mode": True}, {"test_mode": True}),
    (2, {"status": None}, {"status": CustomerStatus.ACTIVE}),
    (1, {"status": OMITTED}, {"status": CustomerStatus.ACTIVE}),
    (1, {"status": "archived"}, {"status": CustomerStatus.ARCHIVED}),
    (1, {"status": "en_mora"}, {"status": CustomerStatus("en_mora")}),
    (1, {"status": ""}, {"status": CustomerStatus("")}),
    (1, {"tax_settings": {"cl_activity_description": "x"}}, {"tax_settings": {"cl_activity_description": "x"}}),
    (1, {"vip": {"since": [1, None]}, "country": CL | {"capital": "Santiago"}}, {}),
    (2, {"vip": {"since": [1, None]}, "country": "CL"}, {"country": Country(id="CL")}),
    (1, {"contacts": [CONTACT | {"fax": "no"}], "aggregations": RECORD["aggregations"] | {"debt": "?"}}, {}),
    (1, {"name": "漢字 🙂 \x7f \u2028"}, {"name": "漢字 🙂 \x7f \u2028"}),
]


@pytest.mark.parametrize(("lane", "fields", "expected"), ACCEPTED, ids=[str(fields)[:70] for _, fields, _ in ACCEPTED])
async def test_accepted(lane: int, fields: dict[str, Any], expected: dict[str, Any]) -> None:
    odd = record(id="cus_odd", **fields)
    customer = attrs.evolve(GOOD, id="cus_odd", **expected)
    page = await decode_page(neighbours(odd))
    assert leaves(page.customers) == leaves(
        (
            *(attrs.evolve(GOOD, id=f"cus_{n}") for n in "ab"),
            customer,
            *(attrs.evolve(GOOD, id=f"cus_{n}") for n in "de"),
        )
    )
    raw = json.dumps(odd).encode()
    if lane == 1:
        assert leaves(_customer.decode(raw)) == leaves(decode_odd(raw))
    else:
        with pytest.raises(msgspec.ValidationError):
            _customer.decode(raw)


async def test_the_least_that_a_customer_is() -> None:
    bare = {"id": "cus_1", "name": "N"}
    page = await decode_page(page_of(bare, bare | {"state": "IL"}))
    assert page.customers == (Customer(id="cus_1", name="N"), Customer(id="cus_1", name="N", state=State(id="IL")))


async def test_null_is_never_the_text_none() -> None:
    nothing = dict.fromkeys(RECORD) | {"id": "cus_1", "name": "N"}
    whole = {
        "id": "cus_1",
        "name": "N",
        "country": dict.fromkeys(CL | US) | {"id": "CL"},
        "state": {"id": 1, "name": None, "code": None, "country": None},
        "contacts": [dict.fromkeys(CONTACT) | {"name": "Ana"}],
        "aggregations": dict.fromkeys(("sales", "sales_current_period", "balance")),
    }
    page = await decode_page(page_of(nothing, whole))
    assert page.customers[0] == Customer(id="cus_1", name="N")
    assert page.customers[1] == Customer(
        id="cus_1", name="N", country=Country(id="CL"), state=State(id=1), contacts=(Contact(name="Ana"),)
    )


@pytest.mark.parametrize("state", [b"null", b'"IL"'])
@pytest.mark.parametrize(
    "text", ["12345678901234567.89", "1.10", "0.1", "-0.00", "1E400", "1e-7", "100", "0.30000000000000004"]
)
@pytest.mark.parametrize("quote", [b"", b'"'])
async def test_money_is_exact(text: str, quote: bytes, state: bytes) -> None:
    amount = quote + text.encode() + quote
    raw = b'{"id":"c","name":"N","state":%b,"aggregations":{"balance":%b},"country":{"id":"CL","tax_percent":%b}}'
    [customer] = (await decode_page(page_of(raw % (state, amount, amount)))).customers
    assert customer.country
    for value in (customer.aggregations.balance, customer.country.tax_percent):
        assert isinstance(value, Decimal)
        assert value.as_tuple() == Decimal(text).as_tuple()


@pytest.mark.parametrize("text", ["NaN", "nan", "sNaN", "Infinity", "-inf", "-Infinity"])
@pytest.mark.parametrize(
    ("field", "path"),
    [
        (lambda text: {"aggregations": {"sales": "1", "balance": text}}, "results[2].aggregations"),
        (lambda text: {"aggregations": {"sales_current_period": text}}, "results[2].aggregations"),
        (lambda text: {"country": {"id": "CL", "tax_percent": text}}, "results[2].country"),
    ],
)
async def test_money_is_a_number(field: Any, path: str, text: str) -> None:
    error = await refusal(neighbours(record(id="cus_odd", **field(text))))
    assert (error.path, error.record_id, error.retryable) == (path, "cus_odd", False)
    assert "is not an amount" in str(error)
    assert repr(str(Decimal(text))) in str(error)


@pytest.mark.parametrize("text", [b"NaN", b"Infinity", b"-Infinity"])
async def test_bare_nan_is_no_json(text: bytes) -> None:
    error = await refusal(page_of(b'{"id": "c", "name": "N", "aggregations": {"sales": %b}}' % text))
    assert error.retryable


async def test_numbers_of_the_users_own_stay_what_json_makes_of_them() -> None:
    metadata = {"rate": 1.10, "big": 2**70, "small": 1e-7, "n": 5, "yes": True, "deep": [{"x": 0.1}]}
    for state in (None, "IL"):
        [customer] = (
            await decode_page(page_of(record(metadata=metadata, tax_settings=metadata, state=state)))
        ).customers
        assert leaves(customer.metadata) == leaves(customer.tax_settings) == leaves(metadata)


# --- what cannot be read, and what is said of it ---

ZONE = "a date-time with a time zone"
REFUSED: list[tuple[dict[str, Any], str, str]] = [
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
    ({"id": None}, ".id", "None is not text"),
    ({"id": 7}, ".id", "7 is not text"),
    ({"name": OMITTED}, ".name", "'name' is missing"),
    ({"name": None}, ".name", "None is not text"),
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
    ({"country": {}}, ".country.id", "'id' is missing"),
    ({"country": {"id": None}}, ".country.id", "None is not text"),
    ({"country": {"id": 56}}, ".country.id", "56 is not text"),
    ({"country": {"id": "CL", "currencies": "CLP"}}, ".country.currencies", "'CLP' is not a list of text"),
    ({"country": {"id": "CL", "currencies": [1]}}, ".country.currencies", "[1] is not a list of text"),
    ({"country": {"id": "CL", "tax_percent": "ten"}}, ".country.tax_percent", "'ten' is not an amount"),
    ({"country": {"id": "CL", "has_regulation": 0}}, ".country.has_regulation", "0 is not true or false"),
    ({"state": True}, ".state", "True is not an object"),
    ({"state": {"id": True}}, ".state.id", "True is not an id"),
    ({"state": {"id": 1.5}}, ".state.id", "1.5 is not an id"),
    ({"state": {"id": None}}, ".state.id", "None is not an id"),
    ({"state": {"name": "x"}}, ".state.id", "'id' is missing"),
    ({"sources": "src_1"}, ".sources", "'src_1' is not a list of text"),
    ({"sources": {}}, ".sources", "{} is not a list of text"),
    ({"sources": [None]}, ".sources", "[None] is not a list of text"),
    ({"sources": [{"kind": "card"}]}, ".sources", "[{'kind': 'card'}] is not a list of text"),
    ({"contacts": "Ana"}, ".contacts", "'Ana' is not a list of contacts"),
    ({"contacts": {"name": "Ana"}}, ".contacts", "{'name': 'Ana'} is not a list of contacts"),
    ({"contacts": [CONTACT, None]}, ".contacts[1]", "None is not an object"),
    ({"contacts": ["con_1"]}, ".contacts[0]", "'con_1' is not an object"),
    ({"contacts": [CONTACT, {}]}, ".contacts[1].name", "'name' is missing"),
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


@pytest.mark.parametrize(("fields", "path", "what"), REFUSED, ids=[str(fields)[:70] for fields, _, _ in REFUSED])
async def test_refused(fields: dict[str, Any], path: str, what: str) -> None:
    odd = record(**{"id": "cus_odd", **fields})
    error = await refusal(page_of(*[RECORD] * 17, odd, RECORD))
    record_id = None if "id" in fields else "cus_odd"
    assert str(error) == f"results[17]{path}: {what}" + (" (customer cus_odd)" if record_id else "")
    assert (error.path, error.record_id, error.retryable) == (f"results[17]{path}", record_id, False)


@pytest.mark.parametrize("odd", [None, 3, "cus_1", [], True])
async def test_no_record_at_all(odd: Any) -> None:
    error = await refusal(neighbours(odd))
    assert str(error).startswith("results[2]: Expected `object`, got `")
    assert (error.path, error.record_id, error.retryable) == ("results[2]", None, False)


async def test_the_first_of_several_faults_is_told() -> None:
    error = await refusal(page_of(record(id="cus_a", state="IL"), record(id="cus_b", name=1), record(created="x")))
    assert (error.path, error.record_id) == ("results[1].name", "cus_b")


async def test_a_long_value_is_cut_in_the_message() -> None:
    error = await refusal(page_of(record(contacts="x" * 1_000_000)))
    assert len(str(error)) < 300
    assert "xxx… is not a list of contacts" in str(error)


async def test_a_listing_names_the_customer() -> None:
    async with MockServer(150) as server, server.session() as piriod:
        odd = server.customers()[120]["id"]
        server.update(odd, phone=5)
        with pytest.raises(DecodeError, match=r"results\[\d+\]\.phone: 5 is not text") as caught:
            await piriod.customers().collect()
        assert (caught.value.record_id, caught.value.attempts) == (odd, 1)
        server.update(odd, phone="")
        assert len(await piriod.customers().collect()) == 150


# --- no page at all ---

BODIES = [
    *(
        b"",
        b" ",
        b"[]",
        b"null",
        b"3",
        b'"text"',
        b"{}",
        b'{"detail": "Not found."}',
        b"<!doctype html><title>Hola</title>",
    ),
    *(b'{"count": 1}', b'{"results": []}', b'{"count": "1", "results": []}', b'{"count": null, "results": []}'),
    *(b'{"count": 1.5, "results": []}', b'{"count": 1, "results": null}', b'{"count": 1, "results": {}}'),
    *(b'{"count": 1, "results": [', b'{"count": 1, "results": [{"id": }]}', b'{"count": 0, "results": []} x'),
    *(page_of(RECORD)[:-1], page_of(RECORD)[:-40], b"\xef\xbb\xbf" + page_of(), page_of().decode().encode("utf-16")),
    *(b"\xff\xfe", b"[" * 100_000, b'{"count":' * 100_000, b'{"count":1,"results":' + b"[" * 100_000),
    b'{"count":1,"results":[],"next":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
]


@pytest.mark.parametrize("body", BODIES, ids=[str(body)[:50] for body in BODIES])
async def test_no_page(body: bytes) -> None:
    error = await refusal(body)
    assert str(error).startswith("the body is not a page of customers: ")
    assert len(str(error)) < 500
    assert (error.path, error.record_id, error.retryable) == ("", None, True)


async def test_the_message_shows_how_the_body_begins() -> None:
    assert "('<!doctype html><title>Hola" in str(await refusal(b"<!doctype html><title>Hola</title>"))
    assert "('\ufffd\ufffd'…)" in str(await refusal(b"\xff\xfe"))


async def test_bad_utf_8_outside_of_the_records() -> None:
    body = page_of(RECORD).replace(b'"next": null', b'"next": "\xff"')
    page = await decode_page(body)
    assert (page.customers, page.raw) == ((GOOD,), body)


@pytest.mark.parametrize(
    "raw", [b'{"id": "cus_odd", "name": "\xff"}', b'{"name": "N", "metadata": {"\xc3\x28": 1}, "id": "cus_odd"}']
)
async def test_bad_utf_8_in_a_record(raw: bytes) -> None:
    error = await refusal(neighbours(raw))
    assert (error.path, error.record_id, error.retryable) == ("results[2]", "cus_odd", False)
    assert str(error).startswith("results[2]: 'utf-8' codec can't decode byte 0x")
    assert str(error).endswith("(customer cus_odd)")


async def test_bad_utf_8_in_the_id() -> None:
    error = await refusal(neighbours(b'{"id": "\xff", "name": "N"}'))
    assert (error.path, error.record_id, error.retryable) == ("results[2]", None, False)


@pytest.mark.parametrize("state", [b"null", b'"IL"'])
async def test_bad_utf_8_in_a_field_that_nobody_reads(state: bytes) -> None:
    raw = b'{"id": "cus_odd", "name": "N", "x": "\xff", "y": 1e999, "state": %b}' % state
    assert (await decode_page(neighbours(raw))).customers[2].id == "cus_odd"


@pytest.mark.parametrize("text", [rb"\ud800", rb"\udfff", rb"\ud83d x", rb"\ud800\ud800", rb"\udc00\ud800"])
@pytest.mark.parametrize("name", [b"name", b"phone", b"unknown"])
async def test_a_lone_surrogate_is_no_json(text: bytes, name: bytes) -> None:
    error = await refusal(neighbours(b'{"id": "cus_odd", "name": "N", "%b": "%b"}' % (name, text)))
    assert "malformed" in str(error)


async def test_surrogates_in_pairs_are_one_character() -> None:
    [customer] = (await decode_page(page_of(rb'{"id": "c", "name": "\ud83d\ude42"}'))).customers
    assert customer.name == "🙂"


@pytest.mark.parametrize("field", ["metadata", "country", "contacts", "sources", "phone", "unknown"])
@pytest.mark.parametrize(("start", "end"), [(b"[", b"]"), (b'{"a":', b"}")])
async def test_deep_nesting_in_a_record(field: str, start: bytes, end: bytes) -> None:
    deep = b'{"id": "c", "name": "N", "%b": %b1%b}' % (field.encode(), start * 100_000, end * 100_000)
    await refusal(neighbours(deep))
    with pytest.raises(DecodeError):
        decode_odd(deep)


@pytest.mark.parametrize("depth", range(50, 1_100, 50))
@pytest.mark.parametrize("field", ["metadata", "state", "sources", "unknown"])
def test_nesting_of_any_depth(field: str, depth: int) -> None:
    nested = b'{"a":' * depth + b"1" + b"}" * depth
    result = outcome(b'{"id": "c", "name": "N", "created": "", "%b": %b}' % (field.encode(), nested))
    if isinstance(result, DecodeError):
        assert depth >= 500 or field in ("state", "sources")
        assert len(str(result)) < 300
    else:
        assert result.id == "c"


# --- many odd ones ---


async def test_one_odd_among_ninety_nine() -> None:
    body = page_of(*(record(id=f"cus_{n}", state="IL" if n == 57 else None) for n in range(100)))
    page = await decode_page(body)
    assert [customer.id for customer in page.customers] == [f"cus_{n}" for n in range(100)]
    assert [n for n, customer in enumerate(page.customers) if customer.state] == [57]
    assert page.customers[57] == attrs.evolve(GOOD, id="cus_57", state=State(id="IL"))


async def counting_turns(work: Awaitable[T]) -> tuple[T, int]:
    """Return what comes of it, and how often the loop turned meanwhile."""
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    ticker = asyncio.create_task(tick())
    await asyncio.sleep(0)
    before = ticks
    result = await work
    counted = ticks - before
    ticker.cancel()
    await asyncio.gather(ticker, return_exceptions=True)
    return result, counted


@pytest.mark.parametrize(("odd", "turns"), [(0, 0), (1, 1), (100, 100)])
async def test_the_loop_turns_after_every_odd_one(odd: int, turns: int) -> None:
    body = page_of(*(record(id=f"cus_{n}", state="IL" if n < odd else None) for n in range(100)))
    page, counted = await counting_turns(decode_page(body))
    assert len(page.customers) == 100
    assert sum(customer.state == State(id="IL") for customer in page.customers) == odd
    assert counted == turns


# --- the lanes agree ---

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
tidy = st.fixed_dictionaries(  # what the first lane accepts nearly always
    {"id": texts, "name": texts},
    optional={
        "country": st.fixed_dictionaries({"id": texts}, optional={"name": texts, "tax_percent": numbers}),
        "state": st.fixed_dictionaries({"id": texts | st.integers()}, optional={"code": texts, "unknown": anything}),
        "metadata": own,
        "tax_settings": own,
        "status": texts,
        "phone": texts | st.none(),
        "send_vouchers": flags,
        "contacts": st.lists(st.fixed_dictionaries({"name": texts}, optional={"email": texts | st.none()}), max_size=2),
        "sources": st.lists(texts, max_size=2),
        "aggregations": st.fixed_dictionaries({}, optional={"sales": numbers, "balance": st.none() | numbers}),
        "created": st.datetimes(timezones=st.just(UTC) | st.just(LIMA)).map(datetime.isoformat),
    },
)


def agreement(record: Any) -> bool:
    """Whether the first lane accepts a record, and the second made the same of it."""
    raw = msgspec.json.encode(record)
    try:
        first = _customer.decode(raw)
    except msgspec.ValidationError:
        return False
    second = decode_odd(raw)
    assert second == first
    assert leaves(second) == leaves(first)
    return True


@settings(max_examples=300, deadline=None)
@given(tidy)
def test_the_lanes_agree_on_tidy_records(record: dict[str, Any]) -> None:
    assert agreement(record)


@settings(max_examples=400, deadline=None)
@given(records)
def test_the_lanes_agree_wherever_the_first_accepts(record: dict[str, Any]) -> None:
    if agreement(record):
        return
    result = outcome(msgspec.json.encode(record), path="results[3]")
    if isinstance(result, DecodeError):
        assert result.path.startswith("results[3]")
        assert result.record_id == (record["id"] if isinstance(record["id"], str) else None)
    else:
        assert result.id == record["id"]


@settings(max_examples=200, deadline=None)
@given(anything | st.dictionaries(st.sampled_from(list(RECORD)), anything, max_size=6))
def test_nothing_but_a_decode_error_comes_of_any_json(value: Any) -> None:
    result = outcome(msgspec.json.encode(value))
    assert isinstance(result, Customer) or (result.path.startswith("$") and not result.retryable)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=20), st.integers(0, 1_500), st.integers(0, 20))
async def test_nothing_but_a_decode_error_comes_of_any_bytes(noise: bytes, start: int, length: int) -> None:
    body = page_of(json.dumps(RECORD, ensure_ascii=False).encode(), record(state="IL"))
    try:
        await decode_page(body[:start] + noise + body[start + length :])
    except DecodeError as error:
        is_of_a_record = error.path.startswith("results[")
        assert error.retryable is not is_of_a_record  # noqa: PT017 (most pages are fine)


@pytest.mark.parametrize("name", ["id", "zip_code", "metadata", "aggregations"])
async def test_a_number_beyond_what_a_decimal_holds(name: str) -> None:
    huge = "1e99999999999999999999"
    value = f'{{"balance": {huge}}}' if name in ("aggregations", "metadata") else huge
    body = neighbours(json.dumps(record(**{name: "?"})).replace('"?"', value).encode())
    if name == "metadata":
        assert (await decode_page(body)).customers[2].metadata == {"balance": math.inf}
        return
    with pytest.raises(DecodeError, match=r"results\[2\]: a number is larger than any that can be reckoned with"):
        await decode_page(body)
    if name == "id":  # the others are of no account for an outline
        with pytest.raises(DecodeError, match=r"results\[2\]: a number is larger"):
            await decode_keys(body, asyncio.Lock())
    else:
        assert len((await decode_keys(body, asyncio.Lock())).keys) == 5


async def test_of_odd_pages_one_is_decoded_at_a_time() -> None:
    turn = asyncio.Lock()
    bodies = [page_of(*(record(id=f"{page}/{n}", created="") for n in range(20))) for page in range(5)]
    outlines, turns = await counting_turns(asyncio.gather(*(decode_keys(body, turn) for body in bodies)))
    assert turns >= 5 * 20
    assert [row.id for outline in outlines for row in outline.keys] == [f"{p}/{n}" for p in range(5) for n in range(20)]
