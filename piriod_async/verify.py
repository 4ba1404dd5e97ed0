"""Checks that customers match the filters: a server ignores a filter that it does not know, and returns everyone."""

import unicodedata
from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from operator import attrgetter
from typing import Any

from attrs import frozen

from piriod_async.errors import FilterIgnoredError
from piriod_async.models import Customer
from piriod_async.pagination.time_range import TimeRange
from piriod_async.query import CustomerQuery


def verify(query: CustomerQuery, customers: Collection[Customer], *, test_mode: bool) -> None:
    """Raise an error if a customer does not match the query, or is live data where test data was requested.

    `country`, `created` and `metadata` must be equal to the filter; `created` as far as it is printed. `email`, `name`
    and `tax_id` must contain it; accents, case and punctuation do not matter. `subscriptions` and `sources` cannot be
    checked: a customer's record does not show what they filter by. A record that does not say whether it is test data
    proves nothing.

    Args:
        query: The filters.
        customers: The customers that the server answered with.
        test_mode: Whether test data was requested; a proxy may have dropped the header that says so.

    Raises:
        FilterIgnoredError: A customer does not match.
    """
    for customer in customers:
        if customer.test_mode is not None and customer.test_mode is not test_mode:
            received, requested = ("live", "test") if test_mode else ("test", "live")
            raise FilterIgnoredError(
                f"the server answered with {received} data though {requested} data was requested (customer "
                f"{customer.id}): a proxy may drop the header x-piriod-test-mode. To accept it, use check_filters=False"
            )
    conditions = list(_conditions(query))
    if not conditions:
        return
    for customer in customers:
        for condition in conditions:
            value = condition.value_of(customer)
            if not condition.matches(value):
                raise FilterIgnoredError(
                    f"the server seems to ignore the filter {condition.filter}: it answered with customer "
                    f"{customer.id}, whose value is {_show(value)}. If that is a match, use check_filters=False"
                )


def _show(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else repr(value)


@frozen
class _Condition:
    filter: str
    value_of: Callable[[Customer], Any]
    matches: Callable[[Any], bool]


def _conditions(query: CustomerQuery) -> Iterator[_Condition]:
    """Yield a condition for each filter that can be checked."""
    if country := query.country:
        yield _Condition("country", _country_id, lambda value: value.casefold() == country.casefold())
    if gte := query.created__gte:
        yield _Condition("created__gte", attrgetter("created"), _within(TimeRange(gte=gte)))
    if lte := query.created__lte:
        yield _Condition("created__lte", attrgetter("created"), _within(TimeRange(lte=lte)))
    for name in ("email", "name", "tax_id"):
        if text := getattr(query, name):
            yield _Condition(name, attrgetter(name), _contains(text))
    for key, text in (query.metadata or {}).items():
        if "__" not in key:  # a path or a lookup (`plan__in`): only the server knows what it means
            yield _Condition(f"metadata__{key}", _metadata_of(key), _equals(text))


def _country_id(customer: Customer) -> str:
    return customer.country.id if customer.country else ""


def _metadata_of(key: str) -> Callable[[Customer], Any]:
    return lambda customer: customer.metadata.get(key)


def _within(created_range: TimeRange) -> Callable[[datetime | None], bool]:
    return lambda created: created is None or not created_range.excludes(created)


def _contains(text: str) -> Callable[[str | None], bool]:
    wanted = _normalize(text)
    return lambda value: wanted in _normalize(value or "")


def _equals(text: str) -> Callable[[Any], bool]:
    """Return a test whether a metadata value, which may be any JSON, equals a text or is a list with it."""
    wanted = _normalize(text)

    def matches(value: Any) -> bool:
        if isinstance(value, list):
            return text in value
        return value is not None and _normalize(str(value)) == wanted

    return matches


def _normalize(text: str) -> str:
    """Return only the letters and digits of a text, without accents and case."""
    return "".join(char for char in unicodedata.normalize("NFKD", text).casefold() if char.isalnum())
