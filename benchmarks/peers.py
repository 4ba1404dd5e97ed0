"""The peers, each written as its own documentation shows it."""

import asyncio
from datetime import datetime
from decimal import Decimal
from importlib import import_module
from math import ceil
from typing import Any, Literal, Self

import httpx
import requests
from pydantic import BaseModel

from benchmarks.target import PAGE_SIZE, Target


async def requests_loop(target: Target) -> int:
    """A session, `next` until there is none; dicts."""
    customers = 0
    url: str | None = f"{target.url}/customers/"
    params: dict[str, Any] | None = target.params(1)
    with requests.Session() as session:
        session.headers.update(target.headers)
        while url:
            response = session.get(url, params=params, timeout=300)
            response.raise_for_status()
            page = response.json()
            customers += len(page["results"])
            url, params = page["next"], None
    return customers


class Country(BaseModel):
    id: str
    name: str | None = None
    code: str | None = None
    has_regulation: bool | None = None
    currencies: list[str] = []


class State(BaseModel):
    id: int | str
    name: str | None = None
    country: str | None = None


class Contact(BaseModel):
    id: str
    customer: str | None = None
    orgunit: str | None = None
    name: str
    email: str | None = None
    phone: str | None = None
    invoicing: bool = True
    collections: bool = True
    created: datetime
    updated: datetime


class Aggregations(BaseModel):
    sales: Decimal
    sales_current_period: Decimal
    balance: Decimal


class Customer(BaseModel):
    id: str
    name: str
    address: str | None = None
    country: Country | None = None
    state: State | None = None
    currency: str | None = None
    email: str | None = None
    phone: str | None = None
    website: str | None = None
    zip_code: str | None = None
    manager: str | None = None
    reference: str | None = None
    tax_id: str | None = None
    tax_settings: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    send_invoices: bool = True
    send_collections: bool = True
    send_vouchers: bool = True
    status: Literal["active", "archived", "pending"] = "active"
    contacts: list[Contact] = []
    sources: list[str] = []
    aggregations: Aggregations
    test_mode: bool = False
    created: datetime
    updated: datetime


class Page(BaseModel):
    count: int
    next: str | None
    results: list[Customer]


async def _ask(client: httpx.AsyncClient, target: Target, number: int) -> Page:
    response = await client.get("/customers/", params=target.params(number))
    response.raise_for_status()
    return Page.model_validate_json(response.content)


def _httpx_client(target: Target) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=target.url, headers=target.headers, timeout=300)


async def httpx_pydantic_one(target: Target) -> int:
    """One page after the other."""
    customers, number = 0, 1
    async with _httpx_client(target) as client:
        while True:
            page = await _ask(client, target, number)
            customers += len(page.results)
            if not page.next:
                return customers
            number += 1


async def httpx_pydantic(target: Target) -> int:
    """The first page for the count, the others side by side."""
    slots = asyncio.Semaphore(target.concurrency)
    async with _httpx_client(target) as client:

        async def ask(number: int) -> int:
            async with slots:
                return len((await _ask(client, target, number)).results)

        first = await _ask(client, target, 1)
        rest = await asyncio.gather(*map(ask, range(2, ceil(first.count / PAGE_SIZE) + 1)))
    return len(first.results) + sum(rest)


class PythonClient:
    """A client made by openapi-python-client: httpx and attrs."""

    def __init__(self, target: Target) -> None:
        self._list = import_module("python_client.api.billing.list_customers").asyncio
        module = import_module("python_client")
        self._client = module.AuthenticatedClient(
            base_url=target.url, token=target.token, prefix="Token", timeout=httpx.Timeout(300)
        )
        self._workspace = target.workspace

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *details: object) -> None:
        await self._client.__aexit__(*details)

    async def page(self, number: int) -> Any:
        return await self._list(
            client=self._client, x_simple_workspace=self._workspace, page=number, page_size=PAGE_SIZE,
            ordering="created",
        )  # fmt: skip


class GeneratorClient:
    """A client made by openapi-generator, library asyncio: aiohttp and pydantic."""

    def __init__(self, target: Target) -> None:
        module = import_module("generator_client")
        configuration = module.Configuration(
            host=target.url, api_key={"TokenAuth": target.token}, api_key_prefix={"TokenAuth": "Token"}
        )
        self._client = module.ApiClient(configuration)
        self._api = module.BillingApi(self._client)
        self._workspace = target.workspace

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *details: object) -> None:
        await self._client.__aexit__(*details)

    async def page(self, number: int) -> Any:
        return await self._api.list_customers(
            x_simple_workspace=self._workspace, page=number, page_size=PAGE_SIZE, ordering="created"
        )


async def _one_by_one(make: Any, target: Target) -> int:
    customers, number = 0, 1
    async with make(target) as client:
        while True:
            page = await client.page(number)
            customers += len(page.results)
            if number * PAGE_SIZE >= page.count:
                return customers
            number += 1


async def _side_by_side(make: Any, target: Target) -> int:
    slots = asyncio.Semaphore(target.concurrency)
    async with make(target) as client:

        async def ask(number: int) -> int:
            async with slots:
                return len((await client.page(number)).results)

        first = await client.page(1)
        rest = await asyncio.gather(*map(ask, range(2, ceil(first.count / PAGE_SIZE) + 1)))
    return len(first.results) + sum(rest)


async def python_client_one(target: Target) -> int:
    return await _one_by_one(PythonClient, target)


async def python_client(target: Target) -> int:
    return await _side_by_side(PythonClient, target)


async def generator_client_one(target: Target) -> int:
    return await _one_by_one(GeneratorClient, target)


async def generator_client(target: Target) -> int:
    return await _side_by_side(GeneratorClient, target)
