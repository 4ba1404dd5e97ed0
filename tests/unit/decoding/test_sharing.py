"""Customers share the countries and states that they repeat, and nothing that can be changed."""

import json
import pickle

import pytest

from piriod_async import Country, Customer, State
from piriod_async.decoding import sharing, strict
from tests.unit.decoding.pages import customers_of, invalid_in
from tests.unit.decoding.samples import CL, page_around, page_of, record, to_json


def test_shared() -> None:
    """Customers with the same JSON of a country or state have the same object, also those of different pages."""
    first, second = strict.decode_customers(page_of(record(id="a"), record(id="b", state={"id": "USAZ"})))
    third = strict.decode_customer(to_json(id="c"))
    assert first.country is second.country is third.country
    assert first.state is third.state
    assert (first.state, second.state) == (State(id=7, name="Metropolitana", country="CL"), State(id="USAZ"))


def test_not_shared() -> None:
    """Mappings belong to one customer: to change one leaves the others as they are."""
    first, second = strict.decode_customers(page_of(record(id="a"), record(id="b")))
    first.metadata["plan"] = first.tax_settings["cl_activity_description"] = "changed"
    assert (second.metadata["plan"], second.tax_settings["cl_activity_description"]) == ("gold", "Venta al por menor")


def test_plain_customers() -> None:
    """A decoded customer is of the public class and can be pickled."""
    (customer,) = strict.decode_customers(page_of(record()))
    assert type(customer) is type(pickle.loads(pickle.dumps(customer))) is Customer


@pytest.mark.parametrize("missing", ["null", None])
def test_none(missing: str | None) -> None:
    """A customer may have no country and no state, by null or by omission."""
    fields = "" if missing is None else f', "country": {missing}, "state": {missing}'
    customer = strict.decode_customer(f'{{"id": "c"{fields}}}'.encode())
    assert (customer.country, customer.state) == (None, None)


async def test_invalid() -> None:
    """A country or state that cannot be decoded is named by its path, each time that it comes."""
    for _ in range(2):
        invalid = await invalid_in(page_around(record(id="cus_c", country=CL | {"tax_percent": "much"})))
        assert invalid.path == "results[2].country.tax_percent"
        invalid = await invalid_in(page_around(record(id="cus_c", state={"id": True})))
        assert invalid.path == "results[2].state.id"


async def test_bounded() -> None:
    """Neither endless countries nor huge ones fill the memory; all are decoded."""
    codes = [f"C{number}" for number in range(sharing.MAX_SHARED + 10)]
    customers = await customers_of(page_of(*({"id": code, "country": {"id": code}} for code in codes)))
    assert [customer.country for customer in customers] == [Country(id=code) for code in codes]
    huge = Country(id="XX", name="x" * sharing.MAX_SHARED_SIZE)
    (customer,) = await customers_of(page_of({"id": "c", "country": {"id": huge.id, "name": huge.name}}))
    assert customer.country == huge
    assert len(sharing._countries) <= sharing.MAX_SHARED
    assert max(map(len, sharing._countries)) <= sharing.MAX_SHARED_SIZE
    assert json.dumps({"id": codes[-1]}).encode() in sharing._countries
