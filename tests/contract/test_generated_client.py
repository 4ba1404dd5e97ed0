"""A client generated from the API's contract reads the same customers as this one."""

import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from decimal import Decimal
from importlib import import_module
from types import ModuleType
from typing import Any

import attrs
import pytest

from piriod_async import PiriodSession
from piriod_async.models import Customer
from tests.contract.customers import COUNT
from tests.contract.deviations import CONTRACT
from tests.support.raw_client import RawClient

pytestmark = pytest.mark.asyncio(loop_scope="module")

PACKAGE = "generated_from_contract"
GENERATE = (sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none", "--path", str(CONTRACT))


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The package that openapi-python-client makes of the contract."""
    folder = tmp_path_factory.mktemp("generated")
    (folder / "config.yaml").write_text("post_hooks: []\n", encoding="utf-8")  # it need not be formatted
    options = ("--config", str(folder / "config.yaml"), "--output-path", str(folder / PACKAGE))
    done = subprocess.run([*GENERATE, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        import_module(f"{PACKAGE}.api.billing.get_customers")
        return import_module(PACKAGE)


async def read_generated(package: ModuleType, client: RawClient, **query: Any) -> AsyncIterator[dict[str, Any]]:
    """Read every page with the generated client, one after the other."""
    list_customers, number, left = package.api.billing.get_customers.asyncio, 1, 1
    async with package.AuthenticatedClient(client.url, client.token, "Token") as http:
        while left > 0:
            page = await list_customers(client=http, x_simple_workspace=client.workspace, page=number, **query)
            for customer in page.results:
                assert not customer.additional_properties
                yield customer.to_dict()
            left, number = page.count - number * query["page_size"], number + 1


def in_shape_of(theirs: Any, ours: Any) -> Any:
    """Return a value of our records as the generated client has it: only fields of the contract, money as floats."""
    if isinstance(theirs, list):
        return [in_shape_of(item, own) for item, own in zip(theirs, ours, strict=True)]
    if isinstance(theirs, dict) and not isinstance(ours, Mapping):
        return {name: in_shape_of(value, getattr(ours, name)) for name, value in theirs.items()}
    if isinstance(ours, Decimal):
        return float(ours)
    return ours.isoformat() if isinstance(ours, datetime) else ours


async def read_both(
    package: ModuleType, client: RawClient, query: dict[str, Any], *, test_mode: bool
) -> tuple[list[dict[str, Any]], list[Customer]]:
    """Read the same customers with both clients."""
    query = {"ordering": "created", "page_size": 100, **query}
    theirs = [each async for each in read_generated(package, client, **query, x_piriod_test_mode=test_mode)]
    async with PiriodSession(client.token, client.workspace, base_url=client.url, test_mode=test_mode) as piriod:
        return theirs, await piriod.customers(**query).collect()


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({}, COUNT),
        ({"page_size": 20}, COUNT),
        ({"ordering": "-created"}, COUNT),
        ({"ordering": "name", "page_size": 70}, COUNT),
        ({"country": "CL"}, 171),
        ({"country": "MX", "page_size": 10}, 34),
        ({"name": "oRDEN"}, 4),
        ({"name": "Ñuñoa & Cía = 100%"}, 1),
        ({"email": "a+b@c.cl"}, 1),
        ({"tax_id": "76.123.456-K"}, 1),
        ({"subscriptions": "sub_other"}, 1),
        ({"sources": "src_shared", "ordering": "-created"}, 2),
        ({"name": "nobody"}, 0),
    ],
)
async def test_same_customers(client: RawClient, generated: ModuleType, query: dict[str, Any], count: int) -> None:
    """Both clients read equal customers in the same order."""
    theirs, ours = await read_both(generated, client, query, test_mode=False)
    assert in_shape_of(theirs, ours) == theirs
    assert len(ours) == count


@pytest.mark.parametrize("query", [{}, {"country": "CL", "ordering": "-created", "page_size": 10}])
async def test_same_test_customers(client: RawClient, generated: ModuleType, query: dict[str, Any]) -> None:
    """Both clients read the same test data."""
    theirs, ours = await read_both(generated, client, query, test_mode=True)
    assert in_shape_of(theirs, ours) == theirs
    assert theirs
    assert all(customer["test_mode"] for customer in theirs)


async def test_fields(client: RawClient, generated: ModuleType) -> None:
    """The servers send every field of a customer that this client has, and no other."""
    query = {"page_size": 100}
    names = {frozenset(customer) async for customer in read_generated(generated, client, **query)}
    assert names == {frozenset(field.name for field in attrs.fields(Customer))}
