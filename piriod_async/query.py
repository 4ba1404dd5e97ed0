"""The filters, checked before anything is sent, as query parameters."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any, TypedDict

from attrs import Attribute, field, frozen

from piriod_async.errors import FilterIgnoredError, QueryError
from piriod_async.models import Customer
from piriod_async.pagination.cursor import lower, upper

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # and lone surrogates, which no URL can carry
_ORDERING = re.compile(r"-?[A-Za-z_]\w*(,-?[A-Za-z_]\w*)*", re.ASCII)
_TEXT_FILTERS = ("country", "email", "name", "tax_id", "subscriptions", "sources")
_CHECKED_TEXTS = ("email", "name", "tax_id")
MIN_PAGE_SIZE_BY_CREATED = 10
MAX_PAGE_SIZE = 100  # the API clamps larger ones in silence


def _refuse(name: str, value: object, expected: str) -> QueryError:
    return QueryError(f"{name}={value!r}: expected {expected}")


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise _refuse(name, value, "text (str), or None for no filter")
    if not value.strip():
        raise _refuse(name, value, "text that is not blank: the API reads a blank filter as none and answers with all")
    if _CONTROL.search(value):
        raise _refuse(name, value, "text without control characters")


def _text(_: "CustomerQuery", attribute: "Attribute[Any]", value: object) -> None:
    if value is not None:
        _check_text(attribute.name, value)


def _instant(_: "CustomerQuery", attribute: "Attribute[Any]", value: object) -> None:
    if value is None:
        return
    if not isinstance(value, datetime):
        reason = ": the API would take midnight in its own zone" if isinstance(value, date) else ""
        raise _refuse(attribute.name, value, f"an aware datetime{reason}")
    if value.utcoffset() is None:
        raise _refuse(attribute.name, value, "an aware datetime (with tzinfo): the API would read it in its own zone")
    try:
        value.astimezone(UTC)
    except OverflowError:
        raise _refuse(attribute.name, value, "a datetime that exists in UTC") from None


def _pairs(_: "CustomerQuery", attribute: "Attribute[Any]", value: object) -> None:
    if value is None:
        return
    if not isinstance(value, Mapping) or not value:
        raise _refuse(attribute.name, value, "a mapping of text to text with a key at least, or None for no filter")
    for key, text in value.items():
        _check_text(f"{attribute.name} key", key)
        _check_text(f"{attribute.name}[{key!r}]", text)


def _ordering(_: "CustomerQuery", attribute: "Attribute[Any]", value: object) -> None:
    if value is not None and not (isinstance(value, str) and _ORDERING.fullmatch(value)):
        expected = 'field names such as "created" or "-name,created", or None for the server\'s own order'
        raise _refuse(attribute.name, value, expected)


def _page_size(_: "CustomerQuery", attribute: "Attribute[Any]", value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_PAGE_SIZE:
        raise _refuse(attribute.name, value, f"a whole number of customers, 1 to {MAX_PAGE_SIZE}")


def _as_text(instant: datetime) -> str:
    try:
        return instant.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"
    except OverflowError:  # the calendar's first or last day, and in UTC it is none
        return instant.isoformat()


def _plain(text: str) -> str:
    """Return the letters and digits of a text, without accents and case."""
    return "".join(char for char in unicodedata.normalize("NFKD", text).casefold() if char.isalnum())


def _bare(value: str | None) -> str | None:
    """Return the text of a str Enum, which would say its own name."""
    return str.__str__(value) if isinstance(value, str) else value


def _frozen_copy(value: Mapping[str, str] | None) -> Mapping[Any, Any] | None:
    return {_bare(key): _bare(text) for key, text in value.items()} if isinstance(value, Mapping) else value


class Filters(TypedDict, total=False):
    """The arguments of `CustomerQuery`, for those who pass them on."""

    country: str | None
    email: str | None
    name: str | None
    tax_id: str | None
    created__gte: datetime | None
    created__lte: datetime | None
    subscriptions: str | None
    sources: str | None
    metadata: Mapping[str, str] | None
    ordering: str | None
    page_size: int


@frozen(kw_only=True)
class CustomerQuery:
    """Which customers, in what order. Every filter is optional, and all given must hold.

    Args:
        country: Country id, such as `"CL"`.
        email: E-mail address.
        name: Name, or a part of it.
        tax_id: Tax identifier (RUT, RFC, NIT, …).
        created__gte: Created at or after this time. An aware datetime.
        created__lte: Created at or before this time. An aware datetime.
        subscriptions: Id of one of the customer's subscriptions.
        sources: Id of one of the customer's payment sources.
        metadata: Metadata that the customer must have. A mapping, such as `{"plan": "gold"}`.
        ordering: `"created"`, `"-created"`, or other fields separated by commas. None for the server's own order.
        page_size: Customers per request: 1 to 100, at least 10 when ordered by `created`.

    Raises:
        QueryError: A value that the API would misread. It answers a blank filter with *every* customer, and reads a
            datetime without a zone in its own.

    Source: the parameters of `GET /customers/`; `metadata__<key>` is described at the field `metadata`.
    """

    country: str | None = field(default=None, converter=_bare, validator=_text)
    email: str | None = field(default=None, converter=_bare, validator=_text)
    name: str | None = field(default=None, converter=_bare, validator=_text)
    tax_id: str | None = field(default=None, converter=_bare, validator=_text)
    created__gte: datetime | None = field(default=None, validator=_instant)
    created__lte: datetime | None = field(default=None, validator=_instant)
    subscriptions: str | None = field(default=None, converter=_bare, validator=_text)
    sources: str | None = field(default=None, converter=_bare, validator=_text)
    metadata: Mapping[str, str] | None = field(default=None, converter=_frozen_copy, validator=_pairs, hash=False)
    ordering: str | None = field(default="created", converter=_bare, validator=_ordering)
    page_size: int = field(default=MAX_PAGE_SIZE, validator=_page_size)

    def __attrs_post_init__(self) -> None:
        if self.by_created and self.page_size < MIN_PAGE_SIZE_BY_CREATED:
            reason = "two customers of every page go into making sure that none is missed"
            raise _refuse(
                "page_size", self.page_size, f"{MIN_PAGE_SIZE_BY_CREATED} or more by {self.ordering!r}: {reason}"
            )
        if self.created__gte and self.created__lte and self.created__gte > self.created__lte:
            raise QueryError(
                f"created__gte={self.created__gte.isoformat()}: expected an instant no later than "
                f"created__lte={self.created__lte.isoformat()}"
            )

    @property
    def by_created(self) -> bool:
        """Whether the list can be asked by range, which is what makes it stand changes."""
        return self.ordering in ("created", "-created")

    def params(
        self, *, page: int, page_size: int, created__gte: datetime | None, created__lte: datetime | None
    ) -> list[tuple[str, str]]:
        """Return the query string of one page as (name, value) pairs, not yet encoded.

        Args:
            page: Page number, from 1.
            page_size: Customers to ask for.
            created__gte: Lower bound to ask for in place of the filter's own.
            created__lte: Upper bound, likewise.
        """
        pages = [("page", str(page)), ("page_size", str(page_size))]
        return pages + self.filters(created__gte, created__lte)

    def filters(self, created__gte: datetime | None, created__lte: datetime | None) -> list[tuple[str, str]]:
        """Return the ordering and the filters as (name, value) pairs, with these bounds in place of their own."""
        bounds = {"created__gte": created__gte, "created__lte": created__lte}
        return [(name, _as_text(instant)) for name, instant in bounds.items() if instant is not None] + self._unbounded

    @cached_property
    def _unbounded(self) -> list[tuple[str, str]]:
        values = {name: getattr(self, name) for name in ("ordering", *_TEXT_FILTERS)}
        pairs = [(name, value) for name, value in values.items() if value is not None]
        return pairs + [(f"metadata__{key}", text) for key, text in (self.metadata or {}).items()]

    def check(self, customers: Iterable[Customer]) -> None:
        """Refuse customers that a filter excludes: a server ignores, in silence, the filters that it does not know.

        `country`, `created` and `metadata` must be as asked for. `email`, `name` and `tax_id` must occur in the
        customer's, accents, case and punctuation aside. `subscriptions` and `sources` are not shown with a customer in
        a way that could be checked.

        Raises:
            FilterIgnoredError: One does not match.
        """
        if not self._checks:
            return
        expected = {name: _plain(value) for name in _CHECKED_TEXTS if (value := getattr(self, name)) is not None}
        gte, lte = self.created__gte, self.created__lte
        for customer in customers:
            country = customer.country.id if customer.country else ""
            if self.country and country.casefold() != self.country.casefold():
                raise self._ignored("country", customer, country)
            created = customer.created
            if created and gte and created < gte and upper(created) < gte:
                raise self._ignored("created__gte", customer, created)
            if created and lte and created > lte and lower(created) > lte:
                raise self._ignored("created__lte", customer, created)
            for name, text in expected.items():
                value = getattr(customer, name)
                if text not in _plain(value or ""):
                    raise self._ignored(name, customer, value)
            for key, text in (self.metadata or {}).items():
                value = customer.metadata.get(key)
                found = (
                    text in value
                    if isinstance(value, list)
                    else value is not None and _plain(text) == _plain(str(value))
                )
                if not found and "__" not in key:  # a path, or a lookup, is the server's own affair
                    raise self._ignored(f"metadata__{key}", customer, value)

    @property
    def _checks(self) -> bool:
        """Whether there is a filter that a customer can be held against."""
        checked = (*_CHECKED_TEXTS, "country", "created__gte", "created__lte", "metadata")
        return any(getattr(self, name) is not None for name in checked)

    def _ignored(self, name: str, customer: Customer, value: object) -> FilterIgnoredError:
        return FilterIgnoredError(
            f"the server seems to ignore the filter {name}: it answered with customer {customer.id}, whose value is "
            f"{value!r}. If that is a match after all, list with check_filters=False"
        )
