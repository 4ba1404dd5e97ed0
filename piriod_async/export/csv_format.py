"""CSV: one customer per row, and one contact per row in a file of its own.

The columns and their order are fixed: `COLUMNS`, `CONTACT_COLUMNS`. UTF-8 with a header; rows end with CR LF; cells are
quoted where RFC 4180 requires it. Null is an empty cell. Booleans are `true` and `false`. Amounts have all their digits
and no exponent. Times are UTC with microseconds (`2026-01-31T03:00:00.000000Z`). `tax_settings`, `metadata` and
`sources` are JSON. The country and the state have an id and a name column; Parquet has all their fields.

Formulas are escaped by default (OWASP: CSV injection). A spreadsheet runs text that begins with `=`, `+`, `-`, `@`, tab
or carriage return as a formula, and anyone can name a customer `=HYPERLINK(…)`, so such text gets a leading apostrophe.
This affects phone numbers too (`'+56 9 …`). Pass `escape_formulas=False` if the reader is not a spreadsheet.
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

from piriod_async.export.fields import json_encoder, select
from piriod_async.models import Contact, Customer

_FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r")


def _attributes(*names: str) -> dict[str, Callable[[Any], object]]:
    return {name: attrgetter(name) for name in names}


def _as_json(name: str) -> Callable[[Customer], object]:
    return lambda customer: json_encoder.encode(getattr(customer, name)).decode()


COLUMNS: Final[Mapping[str, Callable[[Customer], object]]] = MappingProxyType(
    {
        **_attributes("id", "name", "address"),
        "country_id": lambda customer: customer.country and customer.country.id,
        "country_name": lambda customer: customer.country and customer.country.name,
        "state_id": lambda customer: customer.state and customer.state.id,
        "state_name": lambda customer: customer.state and customer.state.name,
        **_attributes("currency", "email", "phone", "website", "zip_code", "manager", "reference", "tax_id"),
        "tax_settings": _as_json("tax_settings"),
        "metadata": _as_json("metadata"),
        **_attributes("send_invoices", "send_collections", "send_vouchers", "status"),
        "sources": _as_json("sources"),
        "sales": lambda customer: customer.aggregations.sales,
        "sales_current_period": lambda customer: customer.aggregations.sales_current_period,
        "balance": lambda customer: customer.aggregations.balance,
        **_attributes("test_mode", "created", "updated"),
    }
)
"""The columns of a customer, in order, and how to get the value of each."""

_CONTACT = _attributes("id", "orgunit", "name", "email", "phone", "invoicing", "collections", "created", "updated")
CONTACT_COLUMNS: Final = ("customer_id", *_CONTACT)
"""The columns of a contact, in order; `customer_id` is the `id` in the customer's row."""


def csv_row(customer: Customer, fields: Iterable[str] = tuple(COLUMNS), *, escape_formulas: bool = True) -> list[str]:
    """Return the cells of a customer's row.

    Args:
        customer: The customer.
        fields: Some of `COLUMNS`, in the desired order.
        escape_formulas: Put an apostrophe before text that a spreadsheet would run as a formula.
    """
    return [_cell(COLUMNS[name](customer), escape_formulas) for name in fields]


def _cell(value: object, escape_formulas: bool) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
    text = str(value)
    is_formula = isinstance(value, str) and text.startswith(_FORMULA_PREFIXES)
    return f"'{text}" if escape_formulas and is_formula else text


def _rows(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _select_columns(fields: Iterable[str] | None) -> Sequence[str]:
    return select(fields, COLUMNS)


@frozen
class CsvEncoder:
    """Encode customers as CSV.

    Args:
        fields: Some of `COLUMNS`, in the desired order; all if None.
        escape_formulas: Put an apostrophe before text that a spreadsheet would run as a formula.
        workspace_column: Put a `workspace` column first.
    """

    fields: Sequence[str] = field(default=None, converter=_select_columns)
    escape_formulas: bool = True
    workspace_column: bool = False

    def header(self) -> bytes:
        """Return the header row."""
        return _rows([["workspace"] * self.workspace_column + list(self.fields)])

    def encode(self, customers: Iterable[Customer], workspace: str | None = None) -> bytes:
        """Return one row per customer; all customers must belong to the given workspace."""
        first = [_cell(workspace, self.escape_formulas)] * self.workspace_column
        rows = (csv_row(customer, self.fields, escape_formulas=self.escape_formulas) for customer in customers)
        return _rows(first + row for row in rows)


@frozen
class ContactsCsvEncoder:
    """Encode the contacts of customers as CSV.

    Args:
        escape_formulas: Put an apostrophe before text that a spreadsheet would run as a formula.
        workspace_column: Put a `workspace` column first.
    """

    escape_formulas: bool = True
    workspace_column: bool = False

    def header(self) -> bytes:
        """Return the header row."""
        return _rows([["workspace"] * self.workspace_column + list(CONTACT_COLUMNS)])

    def encode(self, customers: Iterable[Customer], workspace: str | None = None) -> bytes:
        """Return one row per contact; all customers must belong to the given workspace."""
        first = [workspace] * self.workspace_column
        return _rows(
            [_cell(value, self.escape_formulas) for value in (*first, customer.id, *_contact_values(contact))]
            for customer in customers
            for contact in customer.contacts
        )


def _contact_values(contact: Contact) -> Iterable[object]:
    return (get(contact) for get in _CONTACT.values())
