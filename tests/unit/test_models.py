"""The records are values: frozen, hashable, and the same after copying and pickling."""

import copy
import json
import pickle
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import attrs
import pytest

from piriod_async import (
    Aggregations,
    Checkpoint,
    Contact,
    Country,
    Customer,
    CustomerStatus,
    Page,
    Progress,
    State,
)

NOON = datetime(2031, 5, 5, 12, 0, 0, 1, tzinfo=UTC)
LIMA = timezone(timedelta(hours=-5))


def make_customer() -> Customer:
    return Customer(
        id="cus_1",
        name="Ñandú SpA",
        country=Country(id="CL", currencies=("CLP",), tax_percent=Decimal("19.0")),
        state=State(id="RM"),
        tax_settings={"cl_activity_description": "x"},
        metadata={"plan": ["gold", {"since": 2031}]},
        status=CustomerStatus("en_mora"),
        contacts=(Contact(name="Begoña", created=NOON),),
        sources=("src_1",),
        aggregations=Aggregations(sales=Decimal("1.10")),
        test_mode=False,
        created=NOON,
    )


RECORDS: list[Any] = [
    Country(id="CL", name="Chile", currencies=("CLP", "CLF"), tax_percent=Decimal(19)),
    State(id=7),
    State(id="USAZ", name="Arizona"),
    Contact(name="Begoña", created=NOON),
    Aggregations(),
    Aggregations(sales=Decimal("12345678901234567.89")),
    make_customer(),
    Page(customers=(make_customer(),), count=1, raw=b"{}"),
    Checkpoint(ordering="created", created=NOON, ids=frozenset({"a", "b"}), query="workspace=acc_1"),
    Progress(total=3, delivered=1, requests=1, retries=0, paused_until=1.5),
]


@pytest.fixture(params=RECORDS, ids=lambda record: type(record).__name__)
def record(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_frozen(record: Any) -> None:
    """No field can be changed or deleted."""
    for field in attrs.fields(type(record)):
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(record, field.name, None)
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            delattr(record, field.name)


def test_slotted(record: Any) -> None:
    """No attribute can be added."""
    assert not hasattr(record, "__dict__")
    with pytest.raises((AttributeError, TypeError)):
        object.__setattr__(record, "colour", "red")


def test_keyword_only(record: Any) -> None:
    """Fields are keyword-only."""
    with pytest.raises(TypeError, match="positional"):
        type(record)("x")


def test_hash(record: Any) -> None:
    """Equal records have equal hashes, and are found in a dict."""
    twin = copy.deepcopy(record)
    assert twin == record
    assert hash(twin) == hash(record)
    assert {record: 1}[twin] == 1


def test_pickle(record: Any) -> None:
    """A record is equal after copying and after pickling."""
    assert copy.copy(record) == record
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(record, protocol)) == record


def test_repr(record: Any) -> None:
    """A repr has the class and its fields."""
    text = repr(record)
    assert text.startswith(f"{type(record).__name__}(")
    for field in attrs.fields(type(record)):
        assert (f"{field.name}=" in text) is field.repr


def test_hash_without_mappings() -> None:
    """Mappings count for equality, but not for the hash."""
    other = attrs.evolve(make_customer(), metadata={"plan": "silver"}, tax_settings={})
    assert other != make_customer()
    assert hash(other) == hash(make_customer())
    hashed = {field.name for field in attrs.fields(Customer) if field.hash is None}
    assert {field.name for field in attrs.fields(Customer)} - hashed == {"metadata", "tax_settings"}
    assert hash(attrs.evolve(make_customer(), name="x")) != hash(make_customer())


def test_default_mapping() -> None:
    """Each customer has its own mapping by default."""
    a, b = Customer(id="a", name="N"), Customer(id="b", name="N")
    a.metadata["plan"] = "gold"
    assert b.metadata == {}


def test_repr_of_a_page() -> None:
    """The repr of a page leaves out the body."""
    page = Page(customers=(), count=0, raw=b"x" * 1_000_000)
    assert repr(page) == "Page(customers=(), count=0, response=None)"


def test_equal_values() -> None:
    """Records are equal if instants and amounts are, whatever their zone or number of digits."""
    a = Contact(name="N", created=NOON)
    b = Contact(name="N", created=NOON.astimezone(LIMA))
    assert (a, hash(a)) == (b, hash(b))
    c, d = Aggregations(sales=Decimal("1.10")), Aggregations(sales=Decimal("1.1"))
    assert (c, hash(c)) == (d, hash(d))


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (Aggregations, "sales"),
        (Aggregations, "sales_current_period"),
        (Aggregations, "balance"),
        (lambda **amount: Country(id="CL", **amount), "tax_percent"),
    ],
)
def test_finite_amounts(make: Any, name: str) -> None:
    """NaN and infinity are not amounts."""
    for text in ("NaN", "sNaN", "Infinity", "-Infinity"):
        with pytest.raises(ValueError, match=f"'{text}' is not an amount"):
            make(**{name: Decimal(text)})


def test_known_status() -> None:
    """The statuses of the contract are members that format as their text."""
    assert [status.value for status in CustomerStatus] == ["active", "archived", "pending"]
    assert CustomerStatus("archived") is CustomerStatus.ARCHIVED
    assert f"{CustomerStatus.ARCHIVED}" == "archived" == CustomerStatus.ARCHIVED


@pytest.mark.parametrize("text", ["en_mora", "ACTIVE", " ", "Ñ"])
def test_unknown_status(text: str) -> None:
    """Any other text makes a member with that text, also after copying; the enum itself does not grow."""
    status = CustomerStatus(text)
    assert isinstance(status, CustomerStatus)
    assert (status, status.value, status.name, f"{status}", json.dumps(status)) == (*[text] * 4, json.dumps(text))
    assert status == CustomerStatus(text)
    assert status != CustomerStatus.ACTIVE
    assert hash(status) == hash(text)
    assert {text: 1}[status] == 1
    for twin in (pickle.loads(pickle.dumps(status)), copy.copy(status), copy.deepcopy(status)):
        assert (type(twin), twin) == (CustomerStatus, status)
    assert text in repr(status)
    assert list(CustomerStatus) == ["active", "archived", "pending"]


@pytest.mark.parametrize("value", [None, "", 3, True, b"active", ["active"]])
def test_invalid_status(value: Any) -> None:
    """A status must be text."""
    with pytest.raises(ValueError, match="is not a valid CustomerStatus"):
        CustomerStatus(value)


def test_hash_of_a_status() -> None:
    """A status and its text are the same dict key."""
    assert {"active": 1, "en_mora": 2}[CustomerStatus.ACTIVE] == 1
    assert {CustomerStatus.ACTIVE: 1}["active"] == 1
