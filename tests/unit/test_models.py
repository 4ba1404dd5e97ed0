"""The records: values that do not change, travel, and show themselves."""

import copy
import json
import pickle
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from piriod_async import (
    Aggregations,
    Checkpoint,
    Contact,
    Country,
    Customer,
    CustomerStatus,
    Page,
    Progress,
    QueryError,
    State,
)

NOON = datetime(2031, 5, 5, 12, 0, 0, 1, tzinfo=UTC)
LIMA = timezone(timedelta(hours=-5))


def whole() -> Customer:
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
    whole(),
    Page(customers=(whole(),), count=1, raw=b"{}"),
    Checkpoint(ordering="created", created=NOON, ids=frozenset({"a", "b"}), query="workspace=acc_1"),
    Progress(total=3, delivered=1, requests=1, retries=0, paused_until=1.5),
]


@pytest.fixture(params=RECORDS, ids=lambda record: type(record).__name__)
def record(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_frozen(record: Any) -> None:
    for field in attrs.fields(type(record)):
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(record, field.name, None)
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            delattr(record, field.name)


def test_slotted(record: Any) -> None:
    assert not hasattr(record, "__dict__")
    with pytest.raises((AttributeError, TypeError)):
        object.__setattr__(record, "colour", "red")


def test_keywords_only(record: Any) -> None:
    with pytest.raises(TypeError, match="positional"):
        type(record)("x")


def test_hashable(record: Any) -> None:
    twin = copy.deepcopy(record)
    assert twin == record
    assert hash(twin) == hash(record)
    assert {record: 1}[twin] == 1


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickled(record: Any, protocol: int) -> None:
    assert pickle.loads(pickle.dumps(record, protocol)) == record
    assert copy.copy(record) == record


def test_shown(record: Any) -> None:
    text = repr(record)
    assert text.startswith(f"{type(record).__name__}(")
    for field in attrs.fields(type(record)):
        assert (f"{field.name}=" in text) is field.repr


def test_mappings_are_left_out_of_the_hash_alone() -> None:
    other = attrs.evolve(whole(), metadata={"plan": "silver"}, tax_settings={})
    assert other != whole()
    assert hash(other) == hash(whole())
    hashed = {field.name for field in attrs.fields(Customer) if field.hash is None}
    assert {field.name for field in attrs.fields(Customer)} - hashed == {"metadata", "tax_settings"}
    assert hash(attrs.evolve(whole(), name="x")) != hash(whole())


def test_no_two_customers_share_a_mapping() -> None:
    a, b = Customer(id="a", name="N"), Customer(id="b", name="N")
    a.metadata["plan"] = "gold"
    assert b.metadata == {}


def test_a_page_does_not_show_its_body() -> None:
    page = Page(customers=(), count=0, raw=b"x" * 1_000_000)
    assert repr(page) == "Page(customers=(), count=0)"


def test_equal_instants_and_amounts_make_equal_records() -> None:
    a = Contact(name="N", created=NOON)
    b = Contact(name="N", created=NOON.astimezone(LIMA))
    assert (a, hash(a)) == (b, hash(b))
    c, d = Aggregations(sales=Decimal("1.10")), Aggregations(sales=Decimal("1.1"))
    assert (c, hash(c)) == (d, hash(d))


@pytest.mark.parametrize("text", ["NaN", "sNaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (Aggregations, "sales"),
        (Aggregations, "sales_current_period"),
        (Aggregations, "balance"),
        (lambda **amount: Country(id="CL", **amount), "tax_percent"),
    ],
)
def test_an_amount_is_a_number(kind: Any, name: str, text: str) -> None:
    with pytest.raises(ValueError, match=f"'{text}' is not an amount"):
        kind(**{name: Decimal(text)})


# --- the open status ---


def test_the_known_statuses() -> None:
    assert [status.value for status in CustomerStatus] == ["active", "archived", "pending"]
    assert CustomerStatus("archived") is CustomerStatus.ARCHIVED
    assert f"{CustomerStatus.ARCHIVED}" == "archived" == CustomerStatus.ARCHIVED


@pytest.mark.parametrize("text", ["en_mora", "ACTIVE", "", " ", "Ñ"])
def test_an_unknown_status(text: str) -> None:
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


@pytest.mark.parametrize("value", [None, 3, True, b"active", ["active"]])
def test_a_status_is_text(value: Any) -> None:
    with pytest.raises(ValueError, match="is not a valid CustomerStatus"):
        CustomerStatus(value)


def test_a_status_is_hashed_as_its_text() -> None:
    assert {"active": 1, "en_mora": 2}[CustomerStatus.ACTIVE] == 1
    assert {CustomerStatus.ACTIVE: 1}["active"] == 1


# --- checkpoints, on paper ---

SAVED = '{"ordering":"created","created":"2031-05-05T12:00:00.000001Z","ids":["cus_1"],"query":"workspace=acc_1"}'


def test_a_checkpoint_as_json() -> None:
    checkpoint = Checkpoint(ordering="created", created=NOON, ids=frozenset({"cus_1"}), query="workspace=acc_1")
    assert json.loads(checkpoint.to_json()) == json.loads(SAVED)
    assert Checkpoint.from_json(SAVED) == Checkpoint.from_json(SAVED.encode()) == checkpoint
    assert Checkpoint.from_json(json.dumps(json.loads(SAVED) | {"newer": [1]})) == checkpoint


@settings(max_examples=50, deadline=None)
@given(
    st.datetimes(min_value=datetime(1, 1, 2), timezones=st.sampled_from([UTC, LIMA])),  # noqa: DTZ001
    st.frozensets(st.text(st.characters(exclude_categories=["Cs"])), max_size=4),
    st.text(st.characters(exclude_categories=["Cs"])),
)
def test_a_checkpoint_comes_back_from_json(created: datetime, ids: frozenset[str], query: str) -> None:
    checkpoint = Checkpoint(ordering="-created", created=created, ids=ids, query=query)
    back = Checkpoint.from_json(checkpoint.to_json())
    assert back == checkpoint
    assert (type(back.ids), back.created.utcoffset()) == (frozenset, created.utcoffset())


BAD = [
    *(
        "",
        " ",
        "null",
        "[]",
        "3",
        '"created"',
        "{}",
        "{",
        SAVED[:-1],
        f"{SAVED}x",
        "<html>",
        "\ud800",
        b"\xff",
        b"\xc3(",
    ),
    *(SAVED.replace(*change) for change in (('"ordering"', '"order"'), ('"created",', "1,"), ('["cus_1"]', '"cus_1"'))),
    *(SAVED.replace(*change) for change in (('["cus_1"]', "[1]"), ('["cus_1"]', "null"), (".000001Z", ""))),
    *(SAVED.replace(*change) for change in (("2031-05-05T", "tomorrow "), ('"2031-05-05T12:00:00.000001Z"', "null"))),
    *('{"newer":' + "[" * 100_000, SAVED.replace('"query"', '"newer":' + "[" * 100_000 + "]" * 100_000 + ',"query"')),
]


@pytest.mark.parametrize("text", BAD, ids=[repr(text)[:50] for text in BAD])
def test_no_checkpoint(text: str | bytes) -> None:
    with pytest.raises(QueryError) as caught:
        Checkpoint.from_json(text)
    assert isinstance(caught.value, ValueError)
    assert str(caught.value).startswith(f"expected the JSON of a checkpoint, not {text!r}: "[:60])
