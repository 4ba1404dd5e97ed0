"""Customers as rows of `piriod_versions`, and back."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from piriod_async.mirror.comparison import utc
from piriod_async.models import Customer
from piriod_async.pagination.cursor import require_created
from piriod_async.plain_data import to_json


def to_values(customer: Customer) -> tuple[Any, ...]:
    """Return the values of `schema.COLUMNS`, all of them text, which both databases take for every type."""
    country, amounts = customer.country, customer.aggregations
    texts = (customer.name, customer.email, customer.phone, customer.tax_id, customer.reference)
    return (
        *[text and plain(text) for text in texts],
        customer.status and plain(str(customer.status)),
        country and plain(country.id),
        customer.currency and plain(customer.currency),
        _amount(amounts.sales),
        _amount(amounts.sales_current_period),
        _amount(amounts.balance),
        customer.updated and to_text(customer.updated),
        to_json(customer),
    )


def to_text(moment: datetime) -> str:
    """Return a moment as UTC text that sorts."""
    return utc(moment).isoformat(timespec="microseconds")


def to_datetime(value: str | datetime) -> datetime:
    """Return a moment as a database returned it."""
    return utc(datetime.fromisoformat(value) if isinstance(value, str) else value)


def created_text(customer: Customer) -> str:
    """Return the creation time of a customer, its place in the mirror.

    Raises:
        IncompleteListError: The server omitted it.
    """
    return to_text(require_created(customer))


def plain(text: str) -> str:
    """Return text without NUL, which PostgreSQL cannot store, and SQLite not show; `record` has it, escaped."""
    return text.replace("\0", "\ufffd") if "\0" in text else text


def _amount(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:f}"
