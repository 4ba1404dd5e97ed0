"""The metadata of a query cannot be changed, because what is sent and what is verified must stay the same."""

import copy
import pickle
from typing import Any

import attrs
import pytest

from piriod_async import CustomerQuery
from piriod_async.testing.mock_server import MockServer

PLAN = {"plan": "gold", "segment": "pyme"}
CHANGES: list[tuple[str, Any]] = [
    ("__setitem__", ("plan", "silver")),
    ("__delitem__", ("plan",)),
    ("update", ({"plan": "silver"},)),
    ("pop", ("plan",)),
    ("setdefault", ("new", "x")),
    ("clear", ()),
]


@pytest.mark.parametrize(("method", "arguments"), CHANGES)
def test_read_only(method: str, arguments: Any) -> None:
    """No method changes it."""
    query = CustomerQuery(metadata=PLAN)
    with pytest.raises(AttributeError):
        getattr(query.metadata, method)(*arguments)
    with pytest.raises(TypeError):
        query.metadata["plan"] = "silver"  # type: ignore[index]
    assert query.metadata == PLAN


def test_mapping() -> None:
    """It is read as the mapping that was passed, in its order; a change to that does not matter."""
    plan = dict(PLAN)
    metadata = CustomerQuery(metadata=plan).metadata
    assert metadata is not None
    plan["plan"] = "silver"
    assert metadata == PLAN
    assert metadata != plan
    assert (list(metadata.items()), len(metadata), "plan" in metadata, metadata.get("x")) == (
        list(PLAN.items()),
        2,
        True,
        None,
    )
    assert repr(metadata) == repr(PLAN)


def test_copies() -> None:
    """A query with metadata is copied, pickled, evolved and hashed like any other."""
    query = CustomerQuery(metadata=PLAN)
    same = [copy.copy(query), copy.deepcopy(query), attrs.evolve(query), CustomerQuery(metadata=query.metadata)]
    same += [pickle.loads(pickle.dumps(query, protocol)) for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)]
    same += [CustomerQuery(metadata=dict(reversed(PLAN.items())))]
    for twin in same:
        assert (twin, hash(twin)) == (query, hash(query))
        with pytest.raises(TypeError):
            twin.metadata["plan"] = "silver"
    other = attrs.evolve(query, metadata={"plan": "silver"})
    assert other != query
    assert hash(other) != hash(query)
    assert attrs.evolve(query, country="CL").metadata == PLAN


async def test_listing() -> None:
    """A listing sends and verifies the metadata that it was made with."""
    async with MockServer(100) as server, server.session() as piriod:
        plan = {"plan": "gold"}
        listing = piriod.customers(metadata=plan)
        plan["plan"] = "silver"
        customers = await listing.collect()
        assert customers
        assert {customer.metadata["plan"] for customer in customers} == {"gold"}
        assert server.requests[-1].params["metadata__plan"] == "gold"
