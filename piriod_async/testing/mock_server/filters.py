"""The filters of the list, by the rules of django-filter."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from piriod_async.testing.mock_server.response import APIException
from piriod_async.testing.mock_server.stored_customer import BY_CREATED, StoredCustomer

METADATA_PREFIX: Final = "metadata__"
SERVER_ZONE: Final = ZoneInfo("America/Santiago")

Predicate = Callable[[StoredCustomer], bool]

_SINGLE_DIGIT = re.compile(r"(?<=-)\d(?=[-T ])|(?<=[T ])\d(?=:)")


def filter_customers(
    customers: Sequence[StoredCustomer], params: Mapping[str, str], countries: Collection[str]
) -> Sequence[StoredCustomer]:
    """Return the customers that match every filter. Empty values and unknown parameters are ignored.

    Args:
        customers: Sorted by `created`.
        params: Query parameters.
        countries: Ids of the countries that exist.

    Raises:
        APIException: 400 with a map of fields to messages.
    """
    bounds: dict[str, datetime] = {}
    predicates: list[Predicate] = []
    errors: dict[str, list[str]] = {}
    for name, value in params.items():
        text = value.strip()
        try:
            if value and name in ("created__gte", "created__lte"):
                bounds[name] = _parse_datetime(text)
            elif value and (predicate := _predicate(name, text)):
                _validate(name, value, countries)
                if text:
                    predicates.append(predicate)
        except ValueError as error:
            errors[name] = [str(error)]
    if errors:
        raise APIException(400, errors)

    start = bisect_left(customers, bounds["created__gte"], key=BY_CREATED) if "created__gte" in bounds else 0
    stop = bisect_right(customers, bounds["created__lte"], key=BY_CREATED) if "created__lte" in bounds else None
    customers = customers[start:stop]
    for predicate in predicates:
        customers = [customer for customer in customers if predicate(customer)]
    return customers


def _predicate(name: str, text: str) -> Predicate | None:
    """Return the test that a filter applies to a customer, or None if the filter is unknown."""
    key = name.removeprefix(METADATA_PREFIX)
    if key not in (name, ""):
        return lambda customer: customer.metadata.get(key) == text
    lowered = text.lower()
    predicates: dict[str, Predicate] = {
        "country": lambda customer: customer.country == text,
        "email": lambda customer: customer.text("email").lower() == lowered,
        "name": lambda customer: lowered in customer.text("name").lower(),
        "tax_id": lambda customer: customer.text("tax_id") == text,
        "subscriptions": lambda customer: text in customer.subscriptions,
        "sources": lambda customer: text in customer.sources,
    }
    return predicates.get(name)


def _validate(name: str, value: str, countries: Collection[str]) -> None:
    if "\0" in value:
        raise ValueError("Null characters are not allowed.")
    if name == "country" and value not in countries:
        raise ValueError("Select a valid choice. That choice is not one of the available choices.")


def _parse_datetime(text: str) -> datetime:
    """Parse a date or date-time. Without a UTC offset it is read in the server's time zone."""
    try:
        parsed = datetime.fromisoformat(_SINGLE_DIGIT.sub(r"0\g<0>", text))  # Django reads 2026-1-5T8:00 as well
    except ValueError:
        raise ValueError("Enter a valid date/time.") from None
    if parsed.tzinfo:
        return parsed
    local = parsed.replace(tzinfo=SERVER_ZONE)
    if local.utcoffset() != local.replace(fold=1).utcoffset():  # the clocks change in this hour
        zone = f"in time zone {SERVER_ZONE}; it may be ambiguous or it may not exist."
        raise ValueError(f"{parsed} couldn’t be interpreted {zone}")  # noqa: RUF001
    return local
