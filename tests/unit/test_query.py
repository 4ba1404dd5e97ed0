"""Filters: what is refused before it is sent, what goes over the wire, and what is noticed in an answer."""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from piriod_async import Country, Customer, CustomerQuery, FilterIgnoredError, PiriodSession, QueryError
from piriod_async.pagination.time_range import earliest, latest
from piriod_async.testing.mock_server import OMITTED, MockServer

if TYPE_CHECKING:
    from tests.contract.reference.server import Reference

TEXTS = ["country", "email", "name", "tax_id", "subscriptions", "sources"]
BOUNDS = ["created__gte", "created__lte"]
NOON = datetime(2031, 5, 5, 12, tzinfo=UTC)
TOKYO = timezone(timedelta(hours=9))


class Nowhere(tzinfo):
    def utcoffset(self, _: datetime | None) -> None:
        return None


class Plan(StrEnum):
    GOLD = "gold"


class Old(str, Enum):  # noqa: UP042 (what StrEnum took the place of)
    CHILE = "CL"
    GOLD = "gold"
    PLAN = "plan"
    CREATED = "created"


class Shouting(str):
    __slots__ = ()

    def __str__(self) -> str:
        return self.latest()


@pytest.fixture
async def sandbox() -> AsyncIterator[MockServer]:
    async with MockServer(20) as sandbox:
        yield sandbox


# --- refused, with nothing sent ---

TEXT = "text (str), or None for no filter"
BLANK = "text that is not blank: the API reads a blank filter as none and answers with all"
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
    (NOON.replace(tzinfo=Nowhere()), OWN_ZONE),
    (date(2031, 5, 5), "an aware datetime: the API would take midnight in its own zone"),
    ("2031-05-05T12:00:00Z", AWARE),
    ("", AWARE),
    (b"2031-05-05", AWARE),
    (1_767_225_600, AWARE),
    (0, AWARE),
    (False, AWARE),
    (datetime.max.replace(tzinfo=timezone(-timedelta(hours=1))), "a datetime that exists in UTC"),
    (datetime.min.replace(tzinfo=timezone(timedelta(hours=1))), "a datetime that exists in UTC"),
]
PAIRS = "a mapping of text to text with a key at least, or None for no filter"
BAD_METADATA = [
    ({}, "metadata={}", PAIRS),
    ([], "metadata=[]", PAIRS),
    ("plan", "metadata='plan'", PAIRS),
    ([("plan", "gold")], "metadata=[('plan', 'gold')]", PAIRS),
    (0, "metadata=0", PAIRS),
    ({"": "gold"}, "metadata key=''", BLANK),
    ({" ": "gold"}, "metadata key=' '", BLANK),
    ({"a\0": "gold"}, "metadata key='a\\x00'", CONTROL),
    ({"\ud800": "gold"}, "metadata key='\\ud800'", CONTROL),
    ({None: "gold"}, "metadata key=None", TEXT),
    ({7: "gold"}, "metadata key=7", TEXT),
    ({b"plan": "gold"}, "metadata key=b'plan'", TEXT),
    ({"plan": ""}, "metadata['plan']=''", BLANK),
    ({"plan": "\t"}, "metadata['plan']='\\t'", BLANK),
    ({"plan": "a\nb"}, "metadata['plan']='a\\nb'", CONTROL),
    ({"plan": "\udfff"}, "metadata['plan']='\\udfff'", CONTROL),
    ({"plan": None}, "metadata['plan']=None", TEXT),
    ({"plan": 5}, "metadata['plan']=5", TEXT),
    ({"plan": True}, "metadata['plan']=True", TEXT),
    ({"plan": b"gold"}, "metadata['plan']=b'gold'", TEXT),
    ({"plan": ["gold"]}, "metadata['plan']=['gold']", TEXT),
    ({"segment": "pyme", "plan": " "}, "metadata['plan']=' '", BLANK),
]
ORDERING = 'field names such as "created" or "-name,created", or None for the server\'s own order'
BAD_ORDERINGS = [
    *("", " ", "-", "--created", "+created", "created,", ",created", "created,,name", "created, name", "created "),
    *("created\n", "created name", "créated", "1created", "created;name", "?", b"created", 0, True, ["created"]),
]
SIZE = "a whole number of customers, 1 to 100"
BY_CREATED = "10 or more by {!r}: two customers of every page go into making sure that none is missed"
BAD_SIZES = [
    *({"page_size": value} for value in (0, -1, 101, 10**30, True, False, "20", b"20", 20.0, None)),
    *({"page_size": value, "ordering": "name"} for value in (0, 101)),
]
REFUSED: list[tuple[dict[str, Any], str]] = [
    *(({name: value}, f"{name}={value!r}: expected {why}") for name in TEXTS for value, why in BAD_TEXTS),
    *(({name: value}, f"{name}={value!r}: expected {why}") for name in BOUNDS for value, why in BAD_BOUNDS),
    *(({"metadata": value}, f"{what}: expected {why}") for value, what, why in BAD_METADATA),
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
async def test_refused(sandbox: MockServer, filters: dict[str, Any], message: str) -> None:
    async with sandbox.session() as piriod:
        with pytest.raises(QueryError) as caught:
            await piriod.customers(**filters).collect()
        with pytest.raises(ValueError, match="expected"):
            CustomerQuery(**filters)
    assert isinstance(caught.value, ValueError)
    assert str(caught.value).startswith(message)
    assert sandbox.requests == []
    assert piriod.stats.requests == 0


@pytest.mark.parametrize("name", ["countr", "created", "created__gt", "q", "page", "status", "metadata__plan"])
async def test_a_misspelt_filter_is_a_type_error(sandbox: MockServer, name: str) -> None:
    async with sandbox.session() as piriod:
        with pytest.raises(TypeError, match=name):
            piriod.customers(**{name: "CL"})
    assert sandbox.requests == []


async def test_filters_are_keywords_only() -> None:
    piriod = PiriodSession("token", "acc_1")
    with pytest.raises(TypeError, match="positional"):
        piriod.customers("acc_1")  # type: ignore[misc]


# --- sent, as they are meant ---

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
        {"country": Old.CHILE, "ordering": Old.CREATED, "metadata": {Old.PLAN: Plan.GOLD}},
        {"ordering": "created", "country": "CL", "metadata__plan": "gold"},
    ),
    ({"name": Plan.GOLD, "tax_id": Old.GOLD}, {"ordering": "created", "name": "gold", "tax_id": "gold"}),
    ({"name": Shouting("gold")}, {"ordering": "created", "name": "gold"}),
]


@pytest.mark.parametrize(("filters", "query"), SENT, ids=[repr(filters)[:60] for filters, _ in SENT])
async def test_sent(
    sandbox: MockServer, reference: "Reference", filters: dict[str, Any], query: dict[str, str]
) -> None:
    reference.load([{"name": "N", "country": country} for country in [sandbox.customers()[0]["country"]]])
    session = PiriodSession(reference.token, reference.workspace, base_url=reference.url)
    page_size = str(filters.get("page_size", 100))
    for server, piriod in ((sandbox, sandbox.session()), (reference, session)):
        async with piriod:
            listing = piriod.customers(**filters, check_filters=False)
            async with listing:
                await anext(aiter(listing), None)
        assert sorted(server.requests[0].query) == sorted({"page": "1", "page_size": page_size, **query}.items())


async def test_each_filter_finds_its_customer(reference: "Reference") -> None:
    async with MockServer(20) as sandbox:
        sandbox.add(
            id="cus_odd",
            name="Ñuñoa & Cía = 100%",
            email="a+b@c.cl",
            tax_id="76.123.456-K",
            metadata={"plan largo": "sí", "a.b": "x&y=z", "año": "2031", "k&v": "1 + 1", "plan": "gold"},
            sources=["src_odd"],
            subscriptions=["sub_odd"],
            created=NOON.replace(microsecond=1),
        )
        reference.load([*sandbox.customers()[:-1], {**sandbox.customers()[-1], "subscriptions": ["sub_odd"]}])
        found: list[dict[str, Any]] = [
            {"name": "Ñuñoa & Cía = 100%"},
            {"email": "A+B@c.cl"},
            {"tax_id": "76.123.456-K"},
            {"sources": "src_odd"},
            {"subscriptions": "sub_odd"},
            {"created__gte": NOON.replace(microsecond=1)},
            {"created__gte": NOON, "created__lte": NOON.astimezone(TOKYO).replace(microsecond=1)},
            *({"metadata": {key: text}} for key, text in sandbox.customers()[-1]["metadata"].items() if key != "plan"),
            {"metadata": {"año": "2031", "plan": Plan.GOLD}},
        ]
        missed = [{"created__lte": NOON}, {"created__gte": NOON.replace(microsecond=2)}, {"email": "a b@c.cl"}]
        session = PiriodSession(reference.token, reference.workspace, base_url=reference.url)
        async with sandbox.session() as ours, session as theirs:
            for piriod in (ours, theirs):
                for filters in found:
                    assert [customer.id for customer in await piriod.customers(**filters).collect()] == ["cus_odd"]
                for filters in missed:
                    assert "cus_odd" not in [customer.id for customer in await piriod.customers(**filters).collect()]


def test_bounds_take_the_place_of_the_filters_own() -> None:
    query = CustomerQuery(created__gte=NOON, name="x")
    params = query.params(page=3, page_size=98, created__gte=None, created__lte=NOON.replace(microsecond=5))
    assert params == [
        *(("page", "3"), ("page_size", "98"), ("created__lte", "2031-05-05T12:00:00.000005Z")),
        *(("ordering", "created"), ("name", "x")),
    ]


def test_a_query_is_a_value() -> None:
    plan = {"plan": "gold"}
    query = CustomerQuery(metadata=plan)
    plan["plan"] = "silver"
    assert query == CustomerQuery(metadata={"plan": "gold"})
    assert hash(query) == hash(CustomerQuery(metadata={"plan": "gold"}))
    assert query != CustomerQuery(metadata=plan)
    with pytest.raises(AttributeError):
        query.name = "x"  # type: ignore[misc]


async def test_an_enum_for_the_ordering_can_be_gone_on_from(sandbox: MockServer) -> None:
    async with sandbox.session() as piriod:
        async with piriod.customers(ordering=Old.CREATED) as listing:
            await anext(aiter(listing))
        rest = await piriod.customers(ordering=Old.CREATED, after=listing.checkpoint).collect()
    assert [customer.id for customer in rest] == [customer["id"] for customer in sandbox.customers()[1:]]


# --- noticed, where the server ignored them ---

IGNORED: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {  # the filter, a match, no match
    "country": ({"country": "CL"}, {"country": {"id": "CL"}}, {"country": {"id": "MX"}}),
    "email": ({"email": "a+b@c.cl"}, {"email": "a+b@c.cl"}, {"email": "b@c.cl"}),
    "name": ({"name": "cóndor"}, {"name": "El Cóndor SpA"}, {"name": "El Roble"}),
    "tax_id": ({"tax_id": "76.123.456-K"}, {"tax_id": "76.123.456-K"}, {"tax_id": "76.123.457-8"}),
    "created__gte": ({"created__gte": NOON}, {"created": NOON}, {"created": NOON - timedelta(seconds=1.1)}),
    "created__lte": ({"created__lte": NOON}, {"created": NOON}, {"created": NOON + timedelta(microseconds=2)}),
    "metadata__plan": ({"metadata": {"plan": "gold"}}, {"metadata": {"plan": "gold"}}, {"metadata": {"plan": "old"}}),
}


async def read(sandbox: MockServer, filters: dict[str, Any], **options: Any) -> tuple[list[str], FilterIgnoredError]:
    """Return the ids that came before the error, and the error."""
    ids: list[str] = []
    async with sandbox.session() as piriod:
        try:
            async for customer in piriod.customers(**filters, **options):
                ids.append(customer.id)  # noqa: PERF401 (what came before the error counts)
        except FilterIgnoredError as error:
            return ids, error
    pytest.fail("did not notice")


@pytest.mark.parametrize("name", IGNORED)
async def test_an_ignored_filter(name: str) -> None:
    filters, match, other = IGNORED[name]
    async with MockServer(0, ignored_params={name}) as sandbox:
        for number in range(3):
            sandbox.add({"created": NOON + timedelta(hours=-number), **other}, id=f"cus_{number}")
            sandbox.add({"created": NOON, **match}, id=f"cus_fine_{number}")
        ids, error = await read(sandbox, filters)
        assert set(ids) <= {"cus_fine_0", "cus_fine_1", "cus_fine_2"}
        assert f"the filter {name}: " in str(error)
        assert "check_filters=False" in str(error)
        assert not error.retryable
        assert len(sandbox.requests) == 1
        async with sandbox.session() as piriod:
            assert await piriod.customers(**filters, check_filters=False).count() == 6
            assert len(await piriod.customers(**filters, check_filters=False).collect()) == 6


@pytest.mark.parametrize("name", IGNORED)
async def test_a_filter_that_works(name: str) -> None:
    filters, match, other = IGNORED[name]
    async with MockServer(0) as sandbox:
        sandbox.add({"country": "CL", **match}, id="cus_fine")
        sandbox.add({"country": "CL", **other}, id="cus_other")
        async with sandbox.session() as piriod:
            assert [customer.id for customer in await piriod.customers(**filters).collect()] == ["cus_fine"]


@pytest.mark.parametrize("ask", ["count", "first", "collect"])
async def test_every_question_notices(ask: str) -> None:
    async with MockServer(0, ignored_params={"country"}) as sandbox, sandbox.session() as piriod:
        sandbox.add(country={"id": "MX"})
        with pytest.raises(FilterIgnoredError, match=r"answered with customer cus_\w+, whose value is 'MX'"):
            await getattr(piriod.customers(country="CL"), ask)()


@pytest.mark.parametrize("ordering", ["created", "-created", "name", None])
async def test_no_wrong_customer_is_delivered_from_any_page(ordering: str | None) -> None:
    async with MockServer(0, ignored_params={"country"}) as sandbox:
        for number in range(60):
            sandbox.add(id=f"cus_{number:02}", name=f"{number:02}", country={"id": "CL"})
        first, middle = [f"cus_{number:02}" for number in range(30)], "cus_30"
        sandbox.update(middle, country={"id": "MX"})
        ids, error = await read(sandbox, {"country": "CL"}, ordering=ordering, page_size=10)
    assert middle in str(error)
    expected = first if ordering in ("created", "name") else [f"cus_{number:02}" for number in range(59, 30, -1)]
    assert 10 <= len(ids) <= 30
    assert ids == expected[: len(ids)]


@pytest.mark.parametrize("name", ["subscriptions", "sources"])
async def test_links_cannot_be_checked(name: str) -> None:
    async with MockServer(5, ignored_params={name}) as sandbox, sandbox.session() as piriod:
        assert len(await piriod.customers(**{name: "x_nobody"}).collect()) == 5


MATCHES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"country": "cl"}, {"country": Country(id="CL")}),
    ({"email": "ANA@peña.cl"}, {"email": "ana@pena.cl"}),
    ({"email": "a+b@c.cl"}, {"email": "A+B@C.CL"}),
    ({"name": "nandu"}, {"name": "Comercial ÑANDÚ Ltda."}),
    ({"name": "Ñandú"}, {"name": "comercial nandu"}),
    ({"name": "Nun\N{COMBINING TILDE}ez"}, {"name": "Núñez e Hijos"}),
    ({"name": "Núñez y Cía"}, {"name": "NÚÑEZ-Y-CIA."}),
    ({"name": "strasse"}, {"name": "Große Straße"}),
    ({"name": "%"}, {"name": "50 % más"}),
    ({"tax_id": "76123456k"}, {"tax_id": "76.123.456-K"}),
    ({"tax_id": "76.123.456-K"}, {"tax_id": "76123456K"}),
    ({"tax_id": "76.123"}, {"tax_id": "76.123.456-K"}),
    ({"created__gte": NOON}, {"created": NOON}),
    ({"created__gte": NOON}, {"created": None}),
    ({"created__gte": NOON.replace(microsecond=999_999)}, {"created": NOON}),
    ({"created__gte": NOON.replace(microsecond=1_999)}, {"created": NOON.replace(microsecond=1_000)}),
    ({"created__gte": NOON.replace(microsecond=2)}, {"created": NOON.replace(microsecond=1)}),
    ({"created__lte": NOON}, {"created": NOON}),
    ({"created__lte": NOON}, {"created": None}),
    ({"created__lte": NOON}, {"created": NOON.replace(microsecond=1)}),
    ({"created__gte": NOON}, {"created": NOON.astimezone(TOKYO)}),
    ({"created__gte": NOON}, {"created": datetime.max.replace(tzinfo=UTC)}),
    ({"created__lte": NOON}, {"created": datetime.min.replace(tzinfo=UTC)}),
    ({"metadata": {"plan": "GOLD"}}, {"metadata": {"plan": "gold"}}),
    ({"metadata": {"plan": "Ñandú"}}, {"metadata": {"plan": "nandu"}}),
    ({"metadata": {"seats": "5"}}, {"metadata": {"seats": 5}}),
    ({"metadata": {"vip": "true"}}, {"metadata": {"vip": True}}),
    ({"metadata": {"tags": "a"}}, {"metadata": {"tags": ["a", "b"]}}),
    ({"metadata": {"address__city": "Lima"}}, {"metadata": {"address": {"city": "Lima"}}}),
    ({"metadata": {"plan__in": "gold,silver"}}, {"metadata": {"plan": "silver"}}),
    ({"subscriptions": "sub_1", "sources": "src_1"}, {"sources": ()}),
]
OTHERS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("country", {"country": "CL"}, {"country": Country(id="CO")}),
    ("country", {"country": "CL"}, {"country": Country(id="C")}),
    ("country", {"country": "CL"}, {"country": None}),
    ("metadata__plan", {"metadata": {"plan": "none"}}, {"metadata": {}}),
    ("email", {"email": "a@b.cl"}, {"email": None}),
    ("email", {"email": "a@b.cl"}, {"email": ""}),
    ("email", {"email": "a@b.cl"}, {"email": "c@b.cl"}),
    ("name", {"name": "Ñandú"}, {"name": "Cóndor"}),
    ("tax_id", {"tax_id": "76.123.456-K"}, {"tax_id": "76.123.456-1"}),
    ("tax_id", {"tax_id": "76.123.456-K"}, {"tax_id": None}),
    ("created__gte", {"created__gte": NOON}, {"created": NOON - timedelta(seconds=2)}),
    ("created__gte", {"created__gte": NOON}, {"created": NOON - timedelta(microseconds=2)}),
    ("created__lte", {"created__lte": NOON}, {"created": NOON.replace(microsecond=2)}),
    ("created__lte", {"created__gte": NOON, "created__lte": NOON}, {"created": NOON + timedelta(days=1)}),
    ("metadata__plan", {"metadata": {"plan": "gold"}}, {"metadata": {}}),
    ("metadata__plan", {"metadata": {"plan": "gold"}}, {"metadata": {"plan": "golden"}}),
    ("metadata__plan", {"metadata": {"plan": "gold"}}, {"metadata": {"plan": ["golden"]}}),
    ("metadata__plan", {"metadata": {"segment": "x", "plan": "gold"}}, {"metadata": {"segment": "x"}}),
]


def customer(fields: Mapping[str, Any]) -> Customer:
    return Customer(**{"id": "cus_1", "name": "N", **fields})


@pytest.mark.parametrize(("filters", "fields"), MATCHES)
def test_a_match(filters: dict[str, Any], fields: dict[str, Any]) -> None:
    CustomerQuery(**filters).check([customer(fields)])


@pytest.mark.parametrize(("name", "filters", "fields"), OTHERS)
def test_no_match(name: str, filters: dict[str, Any], fields: dict[str, Any]) -> None:
    with pytest.raises(FilterIgnoredError, match=f"the filter {name}: it answered with customer cus_1, whose value is"):
        CustomerQuery(**filters).check([customer(fields)])


async def test_an_odd_country_and_no_created_pass(sandbox: MockServer) -> None:
    sandbox.add(id="cus_bare", country="PE", created=OMITTED)
    async with sandbox.session() as piriod:
        ids = {customer.id for customer in await piriod.customers(country="PE").collect()}
    assert "cus_bare" in ids


# --- how far off a printed instant may be ---


@pytest.mark.parametrize(
    ("microsecond", "widening"), [(0, 1_000_000), (1_000, 1_000), (120_000, 1_000), (1, 1), (123_456, 1), (1_001, 1)]
)
def test_a_printed_instant_stands_for_all_of_its_last_digit(microsecond: int, widening: int) -> None:
    created = NOON.replace(microsecond=microsecond)
    assert latest(created) - created == timedelta(microseconds=widening)
    assert created - earliest(created) == timedelta(microseconds=1)


def test_the_ends_of_the_calendar() -> None:
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    assert earliest(first) == first
    assert latest(last) == last
    west = datetime.max.replace(tzinfo=timezone(-timedelta(hours=1)))  # in UTC there is no such day
    asked = CustomerQuery().params(page=1, page_size=10, created__gte=None, created__lte=west)
    assert dict(asked)["created__lte"] == "9999-12-31T23:59:59.999999-01:00"
