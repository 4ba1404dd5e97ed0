"""Records are compared by digests: equal customers have equal ones, and no field is forgotten."""

import random
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import attrs
import pytest

from piriod_async import Aggregations, Contact, Country, Customer, CustomerStatus, QueryError, State
from piriod_async.mirror.comparison import Comparison, utc
from piriod_async.testing import MockServer
from tests.support.customers import FULL, MINIMAL

compare = Comparison()
CHANGED = {
    "country": Country(id="PE"),
    "state": State(id="USAZ"),
    "tax_settings": {"n": 1},
    "metadata": {"plan": "silver"},
    "send_invoices": False,
    "send_collections": None,
    "send_vouchers": False,
    "status": CustomerStatus.PENDING,
    "contacts": (Contact(id="con_2"),),
    "sources": ("src_9",),
    "aggregations": Aggregations(sales=Decimal(1)),
    "test_mode": False,
    "created": datetime(2020, 1, 1, tzinfo=UTC),
    "updated": datetime(2020, 1, 1, tzinfo=UTC),
}


@pytest.mark.parametrize("customer", [FULL, MINIMAL], ids=["full", "minimal"])
@pytest.mark.parametrize("name", [attribute.name for attribute in attrs.fields(Customer)])
def test_every_field_counts(customer, name):
    """A customer that differs in one field has another digest, and the difference names the field; unless ignored."""
    other = attrs.evolve(customer, **{name: CHANGED.get(name, "otro")})
    assert compare.digest(customer) != compare.digest(other)
    assert compare.differences(customer, other) == {name: (getattr(customer, name), getattr(other, name))}
    if name not in ("id", "created"):
        ignoring = Comparison((name,))
        assert ignoring.digest(customer) == ignoring.digest(other)
        assert not ignoring.differences(customer, other)


@pytest.mark.parametrize(
    ("record_type", "field"),
    [(Country, "country"), (State, "state"), (Contact, "contacts"), (Aggregations, "aggregations")],
)
def test_every_nested_field_counts(record_type, field):
    """Each field of a part of a customer counts."""
    values = {"id": "x", "country": "CL", "currencies": ("CLP",), "invoicing": None, "collections": None}
    values |= {name: Decimal(7) for name in ("tax_percent", "sales", "sales_current_period", "balance")}
    values |= {name: datetime(2020, 1, 1, tzinfo=UTC) for name in ("created", "updated")} | {"has_regulation": True}
    base = {"id": "y"} if record_type in (Country, State) else {}
    digests = set()
    names = [attribute.name for attribute in attrs.fields(record_type)]
    for name in ("", *names):
        part = record_type(**(base | ({name: values.get(name, "z")} if name else {})))
        digests.add(compare.digest(attrs.evolve(MINIMAL, **{field: (part,) if field == "contacts" else part})))
    assert len(digests) == len(names) + 1


def test_equal_values():
    """Amounts, moments, and the order of contacts, sources and keys are compared by what they mean."""
    santiago = timezone(timedelta(hours=-3))
    one = Customer(
        id="cus_1",
        aggregations=Aggregations(sales=Decimal("1.10"), balance=Decimal(0)),
        contacts=(Contact(id="a", created=datetime(2024, 1, 1, 12, tzinfo=UTC)), Contact(id="b"), Contact(name="n")),
        sources=("src_1", "src_2"),
        metadata={"a": {"x": 1, "y": 2}, "b": 1.5},
        country=Country(id="CL", tax_percent=Decimal("19.00")),
        created=datetime(2024, 1, 1, 12, tzinfo=UTC),
    )
    other = Customer(
        id="cus_1",
        aggregations=Aggregations(sales=Decimal("1.1"), balance=Decimal("-0.00")),
        contacts=(
            Contact(name="n"),
            Contact(id="b"),
            Contact(id="a", created=datetime(2024, 1, 1, 9, tzinfo=santiago)),
        ),
        sources=("src_2", "src_1"),
        metadata={"b": 1.5, "a": {"y": 2, "x": 1}},
        country=Country(id="CL", tax_percent=Decimal(19)),
        created=datetime(2024, 1, 1, 9, tzinfo=santiago),
    )
    assert compare.digest(one) == compare.digest(other)
    assert not compare.differences(one, other)


def test_amounts_are_exact():
    """Two amounts that differ in the last of forty digits differ."""
    amounts = (
        Decimal("1234567890123456789012345678901234567.001"),
        Decimal("1234567890123456789012345678901234567.002"),
    )
    customers = [attrs.evolve(MINIMAL, aggregations=Aggregations(sales=amount)) for amount in amounts]
    assert compare.digest(customers[0]) != compare.digest(customers[1])


async def test_record_has_the_same_digest():
    """A customer that is read back from its record has the same digest, so that digests can be computed anew."""
    async with MockServer(50) as server, server.session() as piriod:
        customers = await piriod.customers().collect()
    for customer in (*customers, FULL, MINIMAL):
        assert compare.digest(Customer.from_json(customer.to_json())) == compare.digest(customer)


def test_shuffled_dicts():
    """However the keys of free JSON are ordered, the digest is the same."""
    keys, rng = [f"key {index}" for index in range(30)], random.Random(3)
    digests = set()
    for _ in range(20):
        rng.shuffle(keys)
        metadata = {key: dict.fromkeys(keys, 1) for key in keys}
        digests.add(compare.digest(attrs.evolve(MINIMAL, metadata=metadata)))
    assert len(digests) == 1


def test_utc_at_the_ends_of_the_calendar():
    """A moment that does not exist in UTC becomes the closest that does."""
    early = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5)))
    late = datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-5)))
    assert (utc(early), utc(late)) == (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))


@pytest.mark.parametrize("ignore", ["updated", ("nonsense",), ("id",), ("created",), 5])
def test_invalid_ignore(ignore):
    """Only a collection of names of fields that identify nobody can be ignored."""
    with pytest.raises(QueryError, match="ignore="):
        Comparison(ignore)


def test_key():
    """Digests are comparable if the same fields are ignored, in any order."""
    assert Comparison(("updated", "phone")).key == Comparison(("phone", "updated", "phone")).key != compare.key
