"""httpx and pydantic, as their documentation shows them; eight requests at a time."""

import asyncio
from datetime import datetime
from decimal import Decimal
from math import ceil
from typing import Any, Literal

import httpx
from pydantic import BaseModel

from benchmarks.clients.config import PAGE_SIZE, ClientConfig


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


async def read_all(config: ClientConfig) -> int:
    """Read page 1 for the count, then the other pages concurrently."""
    permits = asyncio.Semaphore(config.concurrency)
    async with httpx.AsyncClient(base_url=config.base_url, headers=config.headers, timeout=300) as client:

        async def fetch(number: int) -> Page:
            async with permits:
                response = await client.get("/customers/", params=config.params(number))
            response.raise_for_status()
            return Page.model_validate_json(response.content)

        async def count_page(number: int) -> int:
            return len((await fetch(number)).results)

        first = await fetch(1)
        counts = await asyncio.gather(*map(count_page, range(2, ceil(first.count / PAGE_SIZE) + 1)))
    return len(first.results) + sum(counts)
