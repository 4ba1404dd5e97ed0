"""Filters: which values are refused before anything is sent, and which query parameters are sent."""

import inspect
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Any, Unpack
from zoneinfo import ZoneInfo

import pytest

from piriod_async import CustomerQuery, PiriodSession, QueryError
from piriod_async.query import CustomerFilters, show_filters
from piriod_async.testing.mock_server import MockServer

if TYPE_CHECKING:
    from tests.contract.reference.server import Reference

TEXTS = ["country", "email", "name", "tax_id", "subscriptions", "sources"]
BOUNDS = ["created__gte", "created__lte"]
NOON = datetime(2031, 5, 5, 12, tzinfo=UTC)
TOKYO = timezone(timedelta(hours=9))


class NoOffset(tzinfo):
    def utcoffset(self, _: datetime | None) -> None:
        return None


class Plan(StrEnum):
    GOLD = "gold"


class StrMixin(str, Enum):  # noqa: UP042 (how it was written before StrEnum)
    CHILE = "CL"
    GOLD = "gold"
    PLAN = "plan"
    CREATED = "created"


class UpperStr(str):
    __slots__ = ()

    def __str__(self) -> str:
        return self.latest()


@pytest.fixture
async def server() -> AsyncIterator[MockServer]:
    async with MockServer(20) as server:
        yield server


TEXT = "text (str), or None for no filter"
KEY = "text (str), or no key for no filter"
BLANK = "text that is not blank: the API ignores a blank filter and returns every customer"
CONTROL = "text without control characters"
BAD_TEXTS = [
    ("", BLANK),
    (" ", BLANK),
    ("\t\n", BLANK),
    ("\N{NO-BREAK SPACE}\N{IDEOGRAPHIC SPACE}", BLANK),
    ("a\0b", CONTROL),
    ("a\r\nb", CONTROL),
    ("a\x7f", CONTROL),
    ("a\x85b", CONTROL),
    ("a\ud800b", CONTROL),
    ("\udcff", CONTROL),
    (b"CL", TEXT),
    (0, TEXT),
    (7, TEXT),
    (False, TEXT),
    (True, TEXT),
    (["CL"], TEXT),
    (("CL", "MX"), TEXT),
    ({"CL": 1}, TEXT),
    (NOON, TEXT),
]
AWARE = "an aware datetime"
OWN_ZONE = "an aware datetime (with tzinfo): the API would read it in its own zone"
BAD_BOUNDS = [
    (datetime(2031, 5, 5), OWN_ZONE),  # noqa: DTZ001
    (NOON.replace(tzinfo=NoOffset()), OWN_ZONE),
    (date(2031, 5, 5), "an aware datetime: the API would read a date as midnight in its own zone"),
    ("2031-05-05T12:00:00Z", AWARE),
    ("", AWARE),
    (b"2031-05-05", AWARE),
    (1_767_225_600, AWARE),
    (0, AWARE),
    (False, AWARE),
    (datetime.max.replace(tzinfo=timezone(-timedelta(hours=1))), "a datetime that exists in UTC"),
    (datetime.min.replace(tzinfo=timezone(timedelta(hours=1))), "a datetime that exists in UTC"),
]
MAPPING = "a non-empty mapping of text to text, or None for no filter"
BAD_METADATA = [
    ({}, "metadata={}", MAPPING),
    ([], "metadata=[]", MAPPING),
    ("plan", "metadata='plan'", MAPPING),
    ([("plan", "gold")], "metadata=[('plan', 'gold')]", MAPPING),
    (0, "metadata=0", MAPPING),
    ({"": "gold"}, "metadata key=''", BLANK),
    ({" ": "gold"}, "metadata key=' '", BLANK),
    ({"a\0": "gold"}, "metadata key='a\\x00'", CONTROL),
    ({"\ud800": "gold"}, "metadata key='\\ud800'", CONTROL),
    ({None: "gold"}, "metadata key=None", KEY),
    ({7: "gold"}, "metadata key=7", KEY),
    ({b"plan": "gold"}, "metadata key=b'plan'", KEY),
    ({"plan": ""}, "metadata['plan']=''", BLANK),
    ({"plan": "\t"}, "metadata['plan']='\\t'", BLANK),
    ({"plan": "a\nb"}, "metadata['plan']='a\\nb'", CONTROL),
    ({"plan": "\udfff"}, "metadata['plan']='\\udfff'", CONTROL),
    ({"plan": None}, "metadata['plan']=None", KEY),
    ({"plan": 5}, "metadata['plan']=5", KEY),
    ({"plan": True}, "metadata['plan']=True", KEY),
    ({"plan": b"gold"}, "metadata['plan']=b'gold'", KEY),
    ({"plan": ["gold"]}, "metadata['plan']=['gold']", KEY),
    ({"segment": "pyme", "plan": " "}, "metadata['plan']=' '", BLANK),
]
ORDERING = 'field names such as "created" or "-name,created", or None for the server\'s own order'
BAD_ORDERINGS = [
    *("", " ", "-", "--created", "+created", "created,", ",created", "created,,name", "created, name", "created "),
    *("created\n", "created name", "créated", "1created", "created;name", "?", b"created", 0, True, ["created"]),
]
SIZE = "a whole number of customers, 1 to 100"
BY_CREATED = "10 or more if ordered by {!r}: three customers of every page go into checking that none was missed"
BAD_SIZES = [
    *({"page_size": value} for value in (0, -1, 101, 10**30, True, False, "20", b"20", 20.0, None)),
    *({"page_size": value, "ordering": "name"} for value in (0, 101)),
]
REFUSED: list[tuple[dict[str, Any], str]] = [
    *(({"name": value}, f"name={value!r}: expected {why}") for value, why in BAD_TEXTS),
    *(({name: " "}, f"{name}=' ': expected {BLANK}") for name in TEXTS),
    *(({"created__gte": value}, f"created__gte={value!r}: expected {why}") for value, why in BAD_BOUNDS),
    *(({name: ""}, f"{name}='': expected {AWARE}") for name in BOUNDS),
    *(({"metadata": value}, f"{shown}: expected {why}") for value, shown, why in BAD_METADATA),
    *(({"ordering": value}, f"ordering={value!r}: expected {ORDERING}") for value in BAD_ORDERINGS),
    *((filters, f"page_size={filters['page_size']!r}: expected {SIZE}") for filters in BAD_SIZES),
    ({"page_size": 9}, f"page_size=9: expected {BY_CREATED.format('created')}"),
    ({"page_size": 1, "ordering": "-created"}, f"page_size=1: expected {BY_CREATED.format('-created')}"),
    (
        {"created__gte": NOON, "created__lte": NOON - timedelta(microseconds=1)},
        (
            "created__gte=2031-05-05T12:00:00+00:00: expected an instant no later than "
            "created__lte=2031-05-05T11:59:59.999999+00:00"
        ),
    ),
    (
        {"created__gte": NOON, "created__lte": datetime(2031, 5, 5, 20, 59, tzinfo=TOKYO)},
        "created__gte=2031-05-05T12:00:00+00:00: expected an instant no later than created__lte=2031-05-05T20:59:00+09",
    ),
]


@pytest.mark.parametrize(("filters", "message"), REFUSED, ids=[repr(filters)[:60] for filters, _ in REFUSED])
def test_invalid(filters: dict[str, Any], message: str) -> None:
    """A value that the API would misread is a `QueryError` of the query, and of the session before any request."""
    for make in (CustomerQuery, PiriodSession("token", "acc_1").customers):
        with pytest.raises(QueryError) as caught:
            make(**filters)
        assert isinstance(caught.value, ValueError)
        assert str(caught.value).startswith(message)


@pytest.mark.parametrize("name", ["countr", "created", "created__gt", "q", "page", "status", "metadata__plan"])
def test_misspelt(name: str) -> None:
    """A filter that does not exist is a `TypeError`."""
    with pytest.raises(TypeError, match=name):
        PiriodSession("token", "acc_1").customers(**{name: "CL"})


def test_keyword_only() -> None:
    """Filters are keyword-only."""
    with pytest.raises(TypeError, match="positional"):
        PiriodSession("token", "acc_1").customers("acc_1")  # type: ignore[misc]


SENT: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({}, {"ordering": "created"}),
    ({"ordering": "-created"}, {"ordering": "-created"}),
    ({"ordering": "-name,created", "page_size": 1}, {"ordering": "-name,created"}),
    ({"ordering": None}, {}),
    *(({name: "x"}, {"ordering": "created", name: "x"}) for name in ("email", "name", "tax_id", "sources")),
    ({"subscriptions": "sub_1"}, {"ordering": "created", "subscriptions": "sub_1"}),
    ({"country": "CL"}, {"ordering": "created", "country": "CL"}),
    ({"created__gte": NOON}, {"ordering": "created", "created__gte": "2031-05-05T12:00:00Z"}),
    (
        {"created__lte": NOON.replace(microsecond=1)},
        {"ordering": "created", "created__lte": "2031-05-05T12:00:00.000001Z"},
    ),
    (
        {"created__gte": NOON, "created__lte": NOON},
        {"ordering": "created", "created__gte": "2031-05-05T12:00:00Z", "created__lte": "2031-05-05T12:00:00Z"},
    ),
    (
        {"created__gte": datetime(2031, 5, 5, 1, 2, 3, 450000, tzinfo=TOKYO)},
        {"ordering": "created", "created__gte": "2031-05-04T16:02:03.450000Z"},
    ),
    (
        {"created__gte": datetime(2031, 1, 1, tzinfo=ZoneInfo("America/Santiago"))},
        {"ordering": "created", "created__gte": "2031-01-01T03:00:00Z"},
    ),
    (
        {"created__lte": datetime(987, 1, 1, tzinfo=timezone(timedelta(hours=-5, seconds=-1)))},
        {"ordering": "created", "created__lte": "0987-01-01T05:00:01Z"},
    ),
    (
        {"metadata": {"plan": "gold", "segment": "pyme"}},
        {"ordering": "created", "metadata__plan": "gold", "metadata__segment": "pyme"},
    ),
    ({"email": "a+b@c.cl"}, {"ordering": "created", "email": "a+b@c.cl"}),
    ({"name": "Ñuñoa & Cía = 100%"}, {"ordering": "created", "name": "Ñuñoa & Cía = 100%"}),
    ({"name": " a;b/c?d#e%2B%20\\'\"漢字🙂 "}, {"ordering": "created", "name": " a;b/c?d#e%2B%20\\'\"漢字🙂 "}),
    (
        {"metadata": {"plan largo": "sí", "a.b": "x&y=z", "año": "2031", "k&v": "1 + 1", "a=b": "c#d"}},
        {
            "ordering": "created",
            "metadata__plan largo": "sí",
            "metadata__a.b": "x&y=z",
            "metadata__año": "2031",
            "metadata__k&v": "1 + 1",
            "metadata__a=b": "c#d",
        },
    ),
    (
        {"country": StrMixin.CHILE, "ordering": StrMixin.CREATED, "metadata": {StrMixin.PLAN: Plan.GOLD}},
        {"ordering": "created", "country": "CL", "metadata__plan": "gold"},
    ),
    ({"name": Plan.GOLD, "tax_id": StrMixin.GOLD}, {"ordering": "created", "name": "gold", "tax_id": "gold"}),
    ({"name": UpperStr("gold")}, {"ordering": "created", "name": "gold"}),
]


@pytest.mark.parametrize(("filters", "query"), SENT, ids=[repr(filters)[:60] for filters, _ in SENT])
async def test_sent(server: MockServer, reference: "Reference", filters: dict[str, Any], query: dict[str, str]) -> None:
    """The mock server and the reference server receive the parameters as they were meant."""
    reference.load([{"name": "N", "country": country} for country in [server.customers()[0]["country"]]])
    session = PiriodSession(reference.token, reference.workspace, base_url=reference.url)
    page_size = str(filters.get("page_size", 100))
    for receiver, piriod in ((server, server.session()), (reference, session)):
        async with piriod:
            listing = piriod.customers(**filters, check_filters=False)
            async with listing:
                await anext(aiter(listing), None)
        assert sorted(receiver.requests[0].query) == sorted({"page": "1", "page_size": page_size, **query}.items())


async def test_found(reference: "Reference") -> None:
    """Each filter finds the customer that it describes, on both servers."""
    async with MockServer(20) as server:
        server.add(
            id="cus_x",
            name="Ñuñoa & Cía = 100%",
            email="a+b@c.cl",
            tax_id="76.123.456-K",
            metadata={"plan largo": "sí", "a.b": "x&y=z", "año": "2031", "k&v": "1 + 1", "plan": "gold"},
            sources=["src_x"],
            subscriptions=["sub_x"],
            created=NOON.replace(microsecond=1),
        )
        reference.load([*server.customers()[:-1], {**server.customers()[-1], "subscriptions": ["sub_x"]}])
        found: list[dict[str, Any]] = [
            {"name": "Ñuñoa & Cía = 100%"},
            {"email": "A+B@c.cl"},
            {"tax_id": "76.123.456-K"},
            {"sources": "src_x"},
            {"subscriptions": "sub_x"},
            {"created__gte": NOON.replace(microsecond=1)},
            {"created__gte": NOON, "created__lte": NOON.astimezone(TOKYO).replace(microsecond=1)},
            *({"metadata": {key: text}} for key, text in server.customers()[-1]["metadata"].items() if key != "plan"),
            {"metadata": {"año": "2031", "plan": Plan.GOLD}},
        ]
        missed = [{"created__lte": NOON}, {"created__gte": NOON.replace(microsecond=2)}, {"email": "a b@c.cl"}]
        session = PiriodSession(reference.token, reference.workspace, base_url=reference.url)
        async with server.session() as ours, session as theirs:
            for piriod in (ours, theirs):
                for filters in found:
                    assert [customer.id for customer in await piriod.customers(**filters).collect()] == ["cus_x"]
                for filters in missed:
                    assert "cus_x" not in [customer.id for customer in await piriod.customers(**filters).collect()]


def test_params() -> None:
    """The bounds of a page replace those of the filter."""
    query = CustomerQuery(created__gte=NOON, name="x")
    params = query.params(page=3, page_size=98, created__gte=None, created__lte=NOON.replace(microsecond=5))
    assert params == [
        *(("page", "3"), ("page_size", "98"), ("created__lte", "2031-05-05T12:00:00.000005Z")),
        *(("ordering", "created"), ("name", "x")),
    ]


def test_value() -> None:
    """A query is frozen, compares by value, and copies the mapping that it is given."""
    plan = {"plan": "gold"}
    query = CustomerQuery(metadata=plan)
    plan["plan"] = "silver"
    assert query == CustomerQuery(metadata={"plan": "gold"})
    assert hash(query) == hash(CustomerQuery(metadata={"plan": "gold"}))
    assert query != CustomerQuery(metadata=plan)
    with pytest.raises(AttributeError):
        query.name = "x"  # type: ignore[misc]


async def test_resume_with_an_enum(server: MockServer) -> None:
    """An ordering given as an enum can be resumed."""
    async with server.session() as piriod:
        async with piriod.customers(ordering=StrMixin.CREATED) as listing:
            await anext(aiter(listing))
        rest = await piriod.customers(ordering=StrMixin.CREATED, after=listing.checkpoint).collect()
    assert [customer.id for customer in rest] == [customer["id"] for customer in server.customers()[1:]]


def test_show_filters() -> None:
    """`help()` shows the filters with their defaults in place of `**filters`."""

    @show_filters
    def make(*, workspace: str, **filters: Unpack[CustomerFilters]) -> tuple[str, CustomerQuery]:
        return workspace, CustomerQuery(**filters)

    shown = inspect.signature(make).parameters
    filters = inspect.signature(CustomerQuery).parameters
    assert list(shown) == ["workspace", *filters]
    assert shown["ordering"] == filters["ordering"]
    assert make(workspace="acc_1", country="CL") == ("acc_1", CustomerQuery(country="CL"))


def test_end_of_the_calendar() -> None:
    """A bound that does not exist in UTC, because it was widened, is sent with its own offset."""
    last = datetime.max.replace(tzinfo=timezone(-timedelta(hours=1)))
    params = CustomerQuery().params(page=1, page_size=10, created__gte=None, created__lte=last)
    assert dict(params)["created__lte"] == "9999-12-31T23:59:59.999999-01:00"
