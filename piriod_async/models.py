"""The records: a customer and its parts, as the API gives them.

All are frozen, slotted and hashable (mappings are left out of the hash), with lists as tuples. Money is `Decimal`,
exact to the last digit of the JSON text; datetimes are aware. What the API leaves out is None, unless its contract
names a default. A field that is not here is still in `Page.raw`.

Source: `GET /customers/` (https://docs.piriod.com), and what the live API was seen to send beside it.
"""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Self

import msgspec
from attrs import field, frozen

AwareDatetime = Annotated[datetime, msgspec.Meta(tz=True)]


def _refuse_nan(*amounts: Decimal | None) -> None:
    for amount in amounts:
        if amount is not None and not amount.is_finite():
            raise ValueError(f"{str(amount)!r} is not an amount")


class CustomerStatus(StrEnum):
    """What a customer is now. Open: a status newer than this library is a member with its own text."""

    ACTIVE = "active"
    ARCHIVED = "archived"
    PENDING = "pending"

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        member = str.__new__(cls, value)
        member._name_ = member._value_ = value
        return member


@frozen(kw_only=True)
class Country:
    """A country: `id` is its ISO code ("CL"), `code` or `phone_code` the telephone's ("+56")."""

    id: str
    name: str | None = None
    name_en: str | None = None
    code: str | None = None
    phone_code: str | None = None
    has_regulation: bool | None = None
    currencies: tuple[str, ...] = ()
    tax_percent: Decimal | None = None

    def __attrs_post_init__(self) -> None:
        _refuse_nan(self.tax_percent)


@frozen(kw_only=True)
class State:
    """A state or region. `id` is a number or a text ("USAZ"), as the API has it."""

    id: int | str
    name: str | None = None
    code: str | None = None
    country: str | None = None


@frozen(kw_only=True)
class Contact:
    """A person at a customer, and which mail they get: `invoicing`, `collections` (reminders)."""

    id: str | None = None
    customer: str | None = None
    orgunit: str | None = None
    name: str
    email: str | None = None
    phone: str | None = None
    invoicing: bool = True
    collections: bool = True
    created: AwareDatetime | None = None
    updated: AwareDatetime | None = None


@frozen(kw_only=True)
class Aggregations:
    """Sums over a customer's documents, in its currency; None where the API gives nothing.

    `sales` is finalized and paid, `sales_current_period` finalized in this calendar month, `balance` what is owed.
    """

    sales: Decimal | None = None
    sales_current_period: Decimal | None = None
    balance: Decimal | None = None

    def __attrs_post_init__(self) -> None:
        _refuse_nan(self.sales, self.sales_current_period, self.balance)


@frozen(kw_only=True)
class Customer:
    """A customer of a workspace. `status` and `send_*` have the contract's defaults where the API leaves them out."""

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
    status: CustomerStatus = CustomerStatus.ACTIVE
    contacts: tuple[Contact, ...] = ()
    sources: tuple[str, ...] = ()
    aggregations: Aggregations = Aggregations()
    test_mode: bool | None = None
    created: AwareDatetime | None = None
    updated: AwareDatetime | None = None


@frozen(kw_only=True)
class Page:
    """One response.

    Attributes:
        customers (tuple[Customer, ...]): The customers that this response adds to the listing, in order.
        count (int): How many the listing has, as the server counted them when it was begun.
        raw (bytes): The response's body. It may hold customers that a neighbouring page delivers.
    """

    customers: tuple[Customer, ...]
    count: int
    raw: bytes = field(repr=False)


@frozen(kw_only=True)
class Progress:
    """Where an iteration is.

    Attributes:
        total (int | None): Customers that the iteration has before it, as the server counted them in its first answer;
            None before that.
        delivered (int): Customers yielded so far.
        requests (int): Requests sent, retries among them.
        retries (int): Requests sent again after a failure.
        paused_until (float | None): When the pause that the server asked for ends (`time.monotonic`, seconds), or None.
    """

    total: int | None = None
    delivered: int = 0
    requests: int = 0
    retries: int = 0
    paused_until: float | None = None


@frozen(kw_only=True)
class WorkspaceProgress(Progress):
    """Where an iteration over many workspaces is: the sums over those that it has come to.

    Attributes:
        workspaces (dict[str, Progress]): Each of them, by id.
    """

    workspaces: dict[str, Progress] = field(factory=dict, hash=False)
