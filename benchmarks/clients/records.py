"""Records of the two aiohttp clients, as `piriod_async.models` has them, minus the checks.

They are a copy, so that a change to the package's own records does not move what it is compared with.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from attrs import field, frozen


@frozen(kw_only=True)
class Country:
    id: str
    name: str | None = None
    code: str | None = None
    has_regulation: bool | None = None
    currencies: tuple[str, ...] = ()


@frozen(kw_only=True)
class State:
    id: int | str
    name: str | None = None
    country: str | None = None


@frozen(kw_only=True)
class Contact:
    id: str | None = None
    customer: str | None = None
    orgunit: str | None = None
    name: str
    email: str | None = None
    phone: str | None = None
    invoicing: bool = True
    collections: bool = True
    created: datetime | None = None
    updated: datetime | None = None


@frozen(kw_only=True)
class Aggregations:
    sales: Decimal | None = None
    sales_current_period: Decimal | None = None
    balance: Decimal | None = None


@frozen(kw_only=True)
class Customer:
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
    tax_settings: dict[str, Any] = field(factory=dict, hash=False)
    metadata: dict[str, Any] = field(factory=dict, hash=False)
    send_invoices: bool = True
    send_collections: bool = True
    send_vouchers: bool = True
    status: str = "active"
    contacts: tuple[Contact, ...] = ()
    sources: tuple[str, ...] = ()
    aggregations: Aggregations = Aggregations()
    test_mode: bool | None = None
    created: datetime | None = None
    updated: datetime | None = None


@frozen
class CustomerPage:
    count: int
    results: tuple[Customer, ...]


@frozen
class PageCount:
    count: int


decode_page = msgspec.json.Decoder(CustomerPage).decode
decode_count = msgspec.json.Decoder(PageCount).decode
