"""Customers of one's own, in place of made-up ones."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from piriod_async import Contact, Country, Customer, DecodeError
from piriod_async.testing import OMITTED, MockServer, Unchecked
from tests.support.customers import FULL, MINIMAL
from tests.support.raw_client import serve

NOON = datetime(2031, 5, 5, 12, tzinfo=UTC)
AS_SENT: dict[str, Any] = {
    "id": "cus_sent",
    "name": "Ñandú SpA",
    "country": "CL",
    "state": {"id": "USAZ", "code": "AZ", "name": "Arizona"},
    "phone": "",
    "aggregations": {"sales": "3757.00", "balance": Decimal("0.10")},
    "sources": [{"id": "src_1"}],
    "created": "2020-10-15T13:26:15.356289-03:00",
    "loyalty": {"points": 5},
}


async def test_served_as_given() -> None:
    """Fields are sent as they are given, unknown ones included; times are printed in UTC."""
    async with serve([AS_SENT]) as (_, client):
        page = await client.page()
    sent = page["results"][0]
    assert page["count"] == 1
    assert sent["created"] == "2020-10-15T16:26:15.356289Z"
    assert {name: sent[name] for name in AS_SENT if name != "created"} == {
        name: value for name, value in AS_SENT.items() if name != "created"
    }


async def test_every_request_succeeds() -> None:
    """Each filter and ordering works on customers of one's own as on made-up ones."""
    customers = [
        {"id": "cus_1", "name": "b", "country": {"id": "AR"}, "subscriptions": ["sub_1"], "created": NOON},
        {"id": "cus_2", "name": "a", "email": "A@b.cl", "sources": ["src_1"], "created": NOON - timedelta(days=1)},
        {"id": "cus_3", "name": "c", "tax_id": "X-1", "metadata": {"plan": 5}, "created": "2031-05-06T00:00:00Z"},
    ]
    async with serve(customers) as (_, client):
        for query, ids in {
            "ordering=created": ["cus_2", "cus_1", "cus_3"],
            "ordering=name": ["cus_2", "cus_1", "cus_3"],
            "ordering=-created&page_size=2": ["cus_3", "cus_1"],
            "ordering=-created&page_size=2&page=2": ["cus_2"],
            "country=AR": ["cus_1"],
            "subscriptions=sub_1": ["cus_1"],
            "sources=src_1": ["cus_2"],
            "email=a@b.cl": ["cus_2"],
            "tax_id=X-1": ["cus_3"],
            "metadata__plan=5": ["cus_3"],
            "created__gte=2031-05-05T12:00:00Z": ["cus_3", "cus_1"],
        }.items():
            assert await client.ids(query) == ids, query


async def test_missing_fields_are_made_up() -> None:
    """Missing fields are as those of made-up customers, and belong to the given ones."""
    given = [{"name": f"Mía {number}", "country": {"id": "MX"}} for number in range(40)]
    async with MockServer([*given, {"id": "cus_mine"}]) as server, server.session() as piriod:
        customers = await piriod.customers().collect()
        assert [customer.name for customer in customers[:40]] == [record["name"] for record in given]
        for customer in customers[:40]:
            assert (customer.currency, customer.state and customer.state.country) == ("MXN", "MX")
            assert not customer.email or "mia" in customer.email
        assert {contact.customer for contact in customers[40].contacts} <= {"cus_mine"}
        assert len({customer.id for customer in customers}) == 41
        assert all(a.created < b.created for a, b in pairwise(customers))


async def test_customer_objects() -> None:
    """A `Customer` comes back equal; only a missing time is made up."""
    live = Customer(id="cus_live", name="", country=Country(id="PE"), contacts=(Contact(name="Íñigo"),), created=NOON)
    async with MockServer([live, MINIMAL, FULL]) as server:
        async with server.session() as piriod:
            [minimal, first] = await piriod.customers().collect()
        async with server.session(test_mode=True) as piriod:
            assert await piriod.customers().collect() == [FULL]
    assert first.created == live.created
    assert first.contacts == live.contacts
    assert (minimal.id, minimal.country, minimal.contacts) == ("cus_minimal", None, ())
    assert minimal.created


async def test_workspaces() -> None:
    """Each workspace has a number of made-up customers, or its own."""
    own = tuple({"id": f"cus_{number}"} for number in range(3))
    async with MockServer({"acc_1": 5, "acc_2": own, "acc_3": []}) as server, server.session() as piriod:
        read = [(workspace, customer.id) async for workspace, customer in piriod.across(server.workspaces)]
    assert sum(workspace == "acc_1" for workspace, _ in read) == 5
    assert [id_ for workspace, id_ in read if workspace == "acc_2"] == ["cus_0", "cus_1", "cus_2"]
    assert len(read) == 8


async def test_contact_without_time_zone() -> None:
    """A contact's time may lack the zone, as some of the API do: it is that of the customer's times, UTC."""
    contacts = [{"name": "Íñigo", "created": "2020-05-12 15:42:09"}]
    async with MockServer([{"contacts": contacts}, {"id": "cus_1"}]) as server, server.session() as piriod:
        server.update("cus_1", contacts=contacts)
        for customer in await piriod.customers().collect():
            assert customer.contacts[0].created == datetime(2020, 5, 12, 15, 42, 9, tzinfo=UTC)


async def test_test_data() -> None:
    """The test data of a workspace with customers of one's own are those with `test_mode`."""
    async with serve([{"id": "cus_live"}, {"id": "cus_test", "test_mode": True}]) as (server, client):
        server.add(id="cus_added", test_mode=True)
        assert await client.ids() == ["cus_live"]
        assert await client.ids("ordering=created", x_piriod_test_mode="true") == ["cus_test", "cus_added"]


def test_known_before_the_first_request() -> None:
    """Customers of one's own can be changed at once, by the ids that the test gave them."""
    server = MockServer({"acc_1": 3, "acc_2": [{"id": "cus_1"}, {"id": "cus_2"}]})
    server.remove("cus_1")
    server.update("cus_2", name="Nueva")
    assert [customer["name"] for customer in server.customers("acc_2")] == ["Nueva"]


async def test_copied() -> None:
    """Neither side sees later changes of the other to a dict or a list."""
    record: dict[str, Any] = {"id": "cus_1", "metadata": {"plan": "gold"}, "sources": []}
    server = MockServer([record])
    record["metadata"]["plan"] = "old"
    server.update("cus_1", sources=["src_1"])
    assert (server.customers()[0]["metadata"], record["sources"]) == ({"plan": "gold"}, [])


@pytest.mark.parametrize("precision", ["microseconds", "seconds"])
async def test_precision_of_text(precision: Any) -> None:
    """Times given as text are printed with the server's precision."""
    async with serve([{"created": "2031-05-05T12:00:00.5+02:00"}], timestamp_precision=precision) as (_, client):
        [sent] = (await client.page())["results"]
    assert sent["created"] == ("2031-05-05T10:00:00Z" if precision == "seconds" else "2031-05-05T10:00:00.500000Z")


async def test_first_and_last_year() -> None:
    """Dates at the ends of the calendar are served; later customers do not overflow it."""
    first = {"id": "cus_first", "created": "0001-01-01T00:00:00Z"}
    last = {"id": "cus_last", "created": datetime.max.replace(tzinfo=UTC)}
    async with serve([first, last]) as (server, client):
        server.update("cus_last", name="Última")
        added = server.add()
        assert await client.ids("ordering=created") == ["cus_first", "cus_last", added]


LOOP: list[Any] = []
LOOP.append(LOOP)
INVALID = [
    ([{}, {"created": "yesterday"}], "customers[1].created: 'yesterday' is not a date-time with a time zone"),
    ([{"created": datetime(2031, 1, 1)}], "customers[0].created: '2031-01-01T00:00:00' is not a date-time"),  # noqa: DTZ001
    ([{"created": datetime.min.replace(tzinfo=timezone(timedelta(hours=3)))}], "customers[0].created=0001-01-01"),
    ([{"name": 5}], "customers[0].name: 5 is not text"),
    ([{"id": 5}], "customers[0].id: 5 is not "),
    ([{"id": "cus_1", "phone": 5}], "customers[0].phone: 5 is not text (customer cus_1); Unchecked(value) sends"),
    ([{"phone": 5}], "customers[0].phone: 5 is not text; Unchecked(value) sends a value as it is"),
    ([{"aggregations": {"balance": "a lot"}}], "customers[0].aggregations.balance: 'a lot' is not an amount"),
    ([{"contacts": [{"name": "Íñigo"}, {"name": 5}]}], "customers[0].contacts[1].name: 5 is not text"),
    ([{"country": 56}], "customers[0].country: 56 is not an object"),
    (
        [{}, {"nmae": "x"}],
        "customers[1].nmae: customers have no such field: expected 'name'; Unchecked(value) sends it",
    ),
    ([{"contry": {"id": "CL"}}], "customers[0].contry: customers have no such field: expected 'country'"),
    (
        [{"subscription": ["sub_1"]}],
        "customers[0].subscription: customers have no such field: expected 'subscriptions'",
    ),
    ([{"emial": OMITTED}], "customers[0].emial: customers have no such field: expected 'email'"),
    ([{"metadata": "gold"}], "customers[0].metadata: 'gold' is not an object"),
    ([{"subscriptions": "sub_1"}], "customers[0].subscriptions='sub_1': expected a list of ids"),
    ([{"subscriptions": Unchecked(5)}], "customers[0].subscriptions=5: expected a list of ids"),
    ([{"loyalty": object}], "customers[0].loyalty=<class 'object'>: expected a JSON value"),
    ([{"contacts": [{"name": Unchecked(5)}]}], "customers[0].contacts=[{'name': Unchecked(5)}]: expected a JSON value"),
    ([{"loyalty": LOOP}], "customers[0].loyalty=[[...]]: expected a JSON value"),
    ([{"name": "\ud800"}], "customers[0].name='\\ud800': expected a JSON value"),
    ([{5: "x"}], "customers[0]: 5 is not the name of a field: expected text"),
    ([{"id": "cus_1"}, {"id": "cus_1"}], "customers[1].id='cus_1': expected an id that no other customer has"),
    ([{}, "cus_1"], "customers[1]='cus_1': expected a Customer, or a dict of its fields"),
    ([[{}]], "customers[0]=[{}]: expected a Customer, or a dict of its fields"),
    ({"acc_1": 1, "acc_2": [{}, {"sources": 5}]}, "customers['acc_2'][1].sources: 5 is not a list of text"),
    ({"acc_1": [{"id": "cus_1"}], "acc_2": [{"id": "cus_1"}]}, "customers['acc_2'][0].id='cus_1': expected an id that"),
    ({"id": "cus_1", "name": "x"}, "customers['id']='cus_1': expected a number of customers, 0 or more, or a list"),
    ({5: 1}, "workspace=5: expected an id, such as 'acc_mock'"),
    ({}, "customers={}: expected at least one workspace"),
    (-1, "customers=-1: expected a number of customers, 0 or more, or a list of them"),
    (True, "customers=True: expected a number of customers"),
    (2.5, "customers=2.5: expected a number of customers"),
    (None, "customers=None: expected a number of customers"),
    ("acc_1", "customers='acc_1': expected a number of customers"),
    (iter([{}]), "customers=<list_iterator object at "),
    ([{"loyalty": {"x" * 1_000: object}}], "xxx…xxx"),
]


@pytest.mark.parametrize(("customers", "message"), INVALID, ids=range(len(INVALID)))
def test_invalid(customers: Any, message: str) -> None:
    """The error names the index, the field, the value, and the type it should have."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        MockServer(customers)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 400
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize("field", ["name", "created", "subscriptions", "nmae"])
def test_same_rule_for_changes(field: str) -> None:
    """`add` and `update` refuse what the list of customers refuses, and change nothing."""
    server = MockServer([{"id": "cus_1", "name": "Uno"}])
    before = server.customers()
    for change in (
        lambda: server.add({field: 5}),
        lambda: server.add(**{field: 5}),
        lambda: server.update("cus_1", **{field: 5}),
    ):
        with pytest.raises(ValueError, match=rf"^customer\.{field}(: |=)"):
            change()
    assert server.customers() == before
    assert server.changes == []


async def test_other_names() -> None:
    """Other fields are sent; one whose name is like that of a field that is missing, if it is unchecked."""
    similar = {"created": "2031-01-01T00:00:00Z", "created_by": "me", "manager": None, "manager_id": "us_1"}
    other = similar | {"loyalty": 1, "account": "acc_1", "country_code": "CL", "object": "customer", "deleted": False}
    misspelt = {"created": "2032-01-01T00:00:00Z", "test_mode": True, "nmae": Unchecked("x")}
    async with serve([FULL, {**FULL.to_dict(), **other, "id": "cus_2"}, misspelt]) as (_, client):
        *_, sent, last = (await client.page("ordering=created", x_piriod_test_mode="true"))["results"]
    assert {name: sent[name] for name in other} == other
    assert last["nmae"] == "x"


def test_invalid_changes() -> None:
    """A taken id, another id and an unknown workspace are refused."""
    server = MockServer({"acc_1": [{"id": "cus_1"}], "acc_2": 0})
    with pytest.raises(ValueError, match="id='cus_1': expected an id that no customer has already"):
        server.add(id="cus_1", workspace="acc_2")
    with pytest.raises(ValueError, match="id='cus_2': expected no other id than 'cus_1'"):
        server.update("cus_1", id="cus_2")
    for method in (server.add, server.customers, server.unchanged_ids):
        with pytest.raises(ValueError, match="workspace='acc_3': expected one of acc_1, acc_2"):
            method(workspace="acc_3")


UNREADABLE: dict[str, dict[str, Any]] = {
    "no date": {"created": Unchecked("yesterday")},
    "naive": {"created": Unchecked(NOON.replace(tzinfo=None))},
    "name": {"name": Unchecked(5)},
    "id": {"id": Unchecked(5)},
    "no id": {"id": OMITTED},
    "sources": {"sources": Unchecked(5)},
    "country": {"country": Unchecked({"id": ["CL"]})},
    "contact": {"contacts": Unchecked([{"name": 5}])},
    "not JSON": {"metadata": Unchecked({"plan": msgspec.Raw(b"NaN")})},
}


@pytest.mark.parametrize("kind", UNREADABLE)
async def test_deliberately_invalid(kind: str) -> None:
    """An invalid record can be served on purpose, and found by filters; the client raises `DecodeError`."""
    customers = [{"name": "uno"}, UNREADABLE[kind], {"name": "tres"}]
    async with MockServer(customers) as server, server.session() as piriod:
        assert len(server.customers()) == 3
        with pytest.raises(DecodeError):
            await piriod.customers(ordering=None).collect()
        for filters in ({"sources": "src_1"}, {"country": "PE"}, {"metadata": {"plan": "x"}}, {"created__gte": NOON}):
            assert await piriod.customers(**filters, check_filters=False).count() <= 2
        assert {request.status for request in server.requests} == {200}


async def test_unchecked_is_no_key() -> None:
    """A server can send an id twice, and a time that it does not sort by."""
    customers = [{"id": "cus_1", "created": NOON}, {"id": Unchecked("cus_1"), "created": Unchecked("2099-01-01")}]
    async with serve(customers) as (_, client):
        page = await client.page("ordering=created")
    assert [(each["id"], each["created"]) for each in page["results"]] == [
        ("cus_1", "2099-01-01"),
        ("cus_1", "2031-05-05T12:00:00Z"),
    ]
