"""CSV: a customer a row, and a contact a row in a file of their own.

The columns and their order are fixed: `COLUMNS`, `CONTACT_COLUMNS`. UTF-8, rows end with CR LF, quoted where RFC 4180
asks for it, a header first. Empty is null; `true` and `false`; money with all its digits, never with an exponent;
instants in UTC to the microsecond (`2026-01-31T03:00:00.000000Z`); `tax_settings`, `metadata` and `sources` as JSON.
Of the country and the state there are id and name; Parquet has all of them.

A spreadsheet takes a text that begins with `=`, `+`, `-`, `@`, tab or carriage return for a formula, and a customer's
name may be somebody's `=HYPERLINK(…)`. Such a text gets an apostrophe before it, phone numbers (`'+56 9 …`) among
them. `raw_cells` leaves every text as it is, for a reader that is no spreadsheet.
"""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final

from attrs import field, frozen

from piriod_async.export.fields import chosen, json_encoder
from piriod_async.models import Contact, Customer

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def _own(*names: str) -> dict[str, Callable[[Any], object]]:
    return {name: attrgetter(name) for name in names}


def _as_json(name: str) -> Callable[[Customer], object]:
    return lambda customer: json_encoder.encode(getattr(customer, name)).decode()


COLUMNS: Final[Mapping[str, Callable[[Customer], object]]] = MappingProxyType(
    {
        **_own("id", "name", "address"),
        "country_id": lambda customer: customer.country and customer.country.id,
        "country_name": lambda customer: customer.country and customer.country.name,
        "state_id": lambda customer: customer.state and customer.state.id,
        "state_name": lambda customer: customer.state and customer.state.name,
        **_own("currency", "email", "phone", "website", "zip_code", "manager", "reference", "tax_id"),
        "tax_settings": _as_json("tax_settings"),
        "metadata": _as_json("metadata"),
        **_own("send_invoices", "send_collections", "send_vouchers", "status"),
        "sources": _as_json("sources"),
        "sales": lambda customer: customer.aggregations.sales,
        "sales_current_period": lambda customer: customer.aggregations.sales_current_period,
        "balance": lambda customer: customer.aggregations.balance,
        **_own("test_mode", "created", "updated"),
    }
)
"""The columns of a customer, in their order, and what each holds."""

_CONTACT = _own("id", "orgunit", "name", "email", "phone", "invoicing", "collections", "created", "updated")
CONTACT_COLUMNS: Final = ("customer_id", *_CONTACT)
"""The columns of a contact, in their order; `customer_id` is the `id` of its customer's row."""


def cells(customer: Customer, fields: Iterable[str] = tuple(COLUMNS), *, raw: bool = True) -> list[str]:
    """Return the cells of a customer's row.

    Args:
        customer: Whose.
        fields: Some of `COLUMNS`, in the order wanted.
        raw: Leave a text as it is, even if a spreadsheet would take it for a formula.
    """
    return [_cell(COLUMNS[name](customer), raw=raw) for name in fields]


def _cell(value: object, *, raw: bool) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
    text = str(value)
    return f"'{text}" if isinstance(value, str) and not raw and text.startswith(_FORMULA) else text


def _rows(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _chosen(fields: Iterable[str] | None) -> Sequence[str]:
    return chosen(fields, COLUMNS)


@frozen
class CsvEncoder:
    """Customers as CSV.

    Args:
        fields: Some of `COLUMNS`, in the order wanted; all if None.
        raw_cells: Leave texts that a spreadsheet would take for formulas as they are.
        workspaces: Begin with a column `workspace`.
    """

    fields: Sequence[str] = field(default=None, converter=_chosen)
    raw_cells: bool = False
    workspaces: bool = False

    def start(self) -> bytes:
        """Return the header."""
        return _rows([["workspace"] * self.workspaces + list(self.fields)])

    def encode(self, customers: Iterable[Customer], workspace: str | None = None) -> bytes:
        """Return customers' rows, all of one workspace."""
        first = [_cell(workspace, raw=self.raw_cells)] * self.workspaces
        return _rows(first + cells(customer, self.fields, raw=self.raw_cells) for customer in customers)


@frozen
class ContactsCsvEncoder:
    """The contacts of customers as CSV.

    Args:
        raw_cells: Leave texts that a spreadsheet would take for formulas as they are.
        workspaces: Begin with a column `workspace`.
    """

    raw_cells: bool = False
    workspaces: bool = False

    def start(self) -> bytes:
        """Return the header."""
        return _rows([["workspace"] * self.workspaces + list(CONTACT_COLUMNS)])

    def encode(self, customers: Iterable[Customer], workspace: str | None = None) -> bytes:
        """Return the rows of customers' contacts, all of one workspace."""
        first = [workspace] * self.workspaces
        return _rows(
            [_cell(value, raw=self.raw_cells) for value in (*first, customer.id, *_contact(contact))]
            for customer in customers
            for contact in customer.contacts
        )


def _contact(contact: Contact) -> Iterable[object]:
    return (get(contact) for get in _CONTACT.values())
