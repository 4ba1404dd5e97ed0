"""A record as the contract has it, the customer it decodes to, and bodies made of such records."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import attrs

from piriod_async import Aggregations, Contact, Country, Customer, CustomerStatus, State
from piriod_async.testing.mock_server import OMITTED

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


def record(**fields: Any) -> dict[str, Any]:
    """Return the record with other values in some fields."""
    return {name: value for name, value in (RECORD | fields).items() if value is not OMITTED}


def to_json(**fields: Any) -> bytes:
    """Return the JSON of the record with other values in some fields."""
    return json.dumps(record(**fields)).encode()


def page_of(*records: Any, count: int | None = None) -> bytes:
    """Return the body of a page; records given as bytes are taken as they are."""
    results = [each if isinstance(each, bytes) else json.dumps(each).encode() for each in records]
    total = len(results) if count is None else count
    return b'{"count": %d, "next": null, "previous": null, "results": [%b]}' % (total, b", ".join(results))


def page_around(middle: Any) -> bytes:
    """Return a page of five records with this one in the middle."""
    return page_of(*(record(id=f"cus_{n}") for n in "ab"), middle, *(record(id=f"cus_{n}") for n in "de"))


def typed(value: Any) -> Any:
    """Return a record as nested builtins with the type of every value, to tell 1 from 1.0 and `Decimal("1")`."""
    if attrs.has(type(value)):
        return type(value), {each.name: typed(getattr(value, each.name)) for each in attrs.fields(type(value))}
    if isinstance(value, dict):
        return {key: typed(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value), [typed(inner) for inner in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return type(value), repr(value)
