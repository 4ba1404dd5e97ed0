"""The filters of a listing: validated before anything is sent, then turned into query parameters."""

import inspect
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any, TypedDict, TypeVar, cast

from attrs import Attribute, field, fields, frozen

from piriod_async.checkpoint import RESUMABLE_ORDERINGS
from piriod_async.datetimes import AWARE, standard_datetime
from piriod_async.errors import QueryError
from piriod_async.frozen_mapping import FrozenMapping
from piriod_async.pagination.by_created import MIN_PAGE_SIZE_BY_CREATED
from piriod_async.spelling import describe_unexpected

F = TypeVar("F", bound=Callable[..., Any])
MAX_PAGE_SIZE = 100  # the API reduces a larger one to this without an error
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # control characters, and surrogates that no URL can carry
_ORDERING = re.compile(r"-?[A-Za-z_]\w*(,-?[A-Za-z_]\w*)*", re.ASCII)


def _invalid(name: str, value: object, expected: str) -> QueryError:
    return QueryError(f"{name}={value!r}: expected {expected}")


def _check_text(name: str, value: object, instead: str = "None") -> None:
    if not isinstance(value, str):
        raise _invalid(name, value, f"text (str), or {instead} for no filter")
    if not value.strip():
        raise _invalid(name, value, "text that is not blank: the API ignores a blank filter and returns every customer")
    if _CONTROL.search(value):
        raise _invalid(name, value, "text without control characters")


def _validate_text(_: "CustomerQuery", attribute: "Attribute[Any]", value: object) -> None:
    if value is not None:
        _check_text(attribute.name, value)


def _validate_datetime(_: "CustomerQuery", attribute: "Attribute[Any]", value: object) -> None:
    if value is None:
        return
    if not isinstance(value, datetime):
        reason = ": the API would read a date as midnight in its own zone" if isinstance(value, date) else ""
        raise _invalid(attribute.name, value, f"an aware datetime{reason}")
    try:
        standard_datetime(value).astimezone(UTC)
    except OverflowError:
        raise _invalid(attribute.name, value, "a datetime that exists in UTC") from None
    except ValueError as error:
        reason = ": the API would read it in its own zone" if str(error) == AWARE else ""
        raise _invalid(attribute.name, value, f"{error}{reason}") from error


def _validate_metadata(_: "CustomerQuery", attribute: "Attribute[Any]", value: object) -> None:
    if value is None:
        return
    if not isinstance(value, Mapping) or not value:
        raise _invalid(attribute.name, value, "a non-empty mapping of text to text, or None for no filter")
    for key, text in value.items():
        _check_text(f"{attribute.name} key", key, "no key")
        _check_text(f"{attribute.name}[{key!r}]", text, "no key")


def _validate_ordering(_: "CustomerQuery", attribute: "Attribute[Any]", value: object) -> None:
    if value is not None and not (isinstance(value, str) and _ORDERING.fullmatch(value)):
        expected = 'field names such as "created" or "-name,created", or None for the server\'s own order'
        raise _invalid(attribute.name, value, expected)


def _validate_page_size(_: "CustomerQuery", attribute: "Attribute[Any]", value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_PAGE_SIZE:
        raise _invalid(attribute.name, value, f"a whole number of customers, 1 to {MAX_PAGE_SIZE}")


def _unwrap_enum(value: str | None) -> str | None:
    """Return plain text for a member of a `str` enum, which would otherwise format as `Plan.GOLD`."""
    return str.__str__(value) if isinstance(value, str) else value


def _to_standard(value: datetime | None) -> datetime | None:
    if isinstance(value, datetime):
        with suppress(ValueError):  # the validator says what is wrong
            return standard_datetime(value)
    return value


def _copy_metadata(value: Mapping[str, str] | None) -> Mapping[Any, Any] | None:
    if not isinstance(value, Mapping):
        return value
    return FrozenMapping({_unwrap_enum(key): _unwrap_enum(text) for key, text in value.items()})


def _format_utc(instant: datetime) -> str:
    try:
        return instant.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"
    except OverflowError:  # the first or last day of the calendar, with an offset that leads out of it
        return instant.isoformat()


class CustomerFilters(TypedDict, total=False):
    """The arguments of `CustomerQuery`, to type `**filters` with `Unpack`."""

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
    """Which customers to list, in which order. Filters are optional; a customer must match all that are given.

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
        ordering: `"created"`, `"-created"`, or other fields separated by commas. None for the server's own order. By
            `created`, every customer is delivered exactly once, even while the list changes. With another order, if the
            list is seen to change, `IncompleteListError` is raised after everything that arrived has been delivered.
        page_size: Customers per request: 1 to 100, at least 10 when ordered by `created`.

    Raises:
        QueryError: A value that the API would misread. It ignores a blank filter and returns *every* customer, and it
            reads a datetime without a zone in its own.

    Source: the parameters of `GET /customers/`; `metadata__<key>` is described at the field `metadata`.
    """

    country: str | None = field(default=None, converter=_unwrap_enum, validator=_validate_text)
    email: str | None = field(default=None, converter=_unwrap_enum, validator=_validate_text)
    name: str | None = field(default=None, converter=_unwrap_enum, validator=_validate_text)
    tax_id: str | None = field(default=None, converter=_unwrap_enum, validator=_validate_text)
    created__gte: datetime | None = field(default=None, converter=_to_standard, validator=_validate_datetime)
    created__lte: datetime | None = field(default=None, converter=_to_standard, validator=_validate_datetime)
    subscriptions: str | None = field(default=None, converter=_unwrap_enum, validator=_validate_text)
    sources: str | None = field(default=None, converter=_unwrap_enum, validator=_validate_text)
    metadata: Mapping[str, str] | None = field(default=None, converter=_copy_metadata, validator=_validate_metadata)
    ordering: str | None = field(default="created", converter=_unwrap_enum, validator=_validate_ordering)
    page_size: int = field(default=MAX_PAGE_SIZE, validator=_validate_page_size)

    def __attrs_post_init__(self) -> None:
        if self.orders_by_created and self.page_size < MIN_PAGE_SIZE_BY_CREATED:
            reason = "three customers of every page go into checking that none was missed"
            expected = f"{MIN_PAGE_SIZE_BY_CREATED} or more if ordered by {self.ordering!r}: {reason}"
            raise _invalid("page_size", self.page_size, expected)
        if self.created__gte and self.created__lte and self.created__gte > self.created__lte:
            raise QueryError(
                f"created__gte={self.created__gte.isoformat()}: expected an instant no later than "
                f"created__lte={self.created__lte.isoformat()}"
            )

    @property
    def orders_by_created(self) -> bool:
        """Whether pages can be requested by range of `created`, which makes the listing safe while the list changes."""
        return self.ordering in RESUMABLE_ORDERINGS

    def params(
        self, *, page: int, page_size: int, created__gte: datetime | None, created__lte: datetime | None
    ) -> list[tuple[str, str]]:
        """Return the query parameters of one page as (name, value) pairs, not yet encoded.

        Args:
            page: Page number, from 1.
            page_size: Customers to request.
            created__gte: Lower bound, in place of the filter's own.
            created__lte: Upper bound, in place of the filter's own.
        """
        pages = [("page", str(page)), ("page_size", str(page_size))]
        return pages + self.filter_params(created__gte, created__lte)

    def filter_params(self, created__gte: datetime | None, created__lte: datetime | None) -> list[tuple[str, str]]:
        """Return the ordering and the filters as (name, value) pairs, with these bounds in place of their own."""
        bounds = {"created__gte": created__gte, "created__lte": created__lte}
        return [(name, _format_utc(bound)) for name, bound in bounds.items() if bound is not None] + self._static_params

    @cached_property
    def _static_params(self) -> list[tuple[str, str]]:
        """The parameters that are the same for every page."""
        values = {name: getattr(self, name) for name in ("ordering", *TEXT_FILTERS)}
        pairs = [(name, value) for name, value in values.items() if value is not None]
        return pairs + [(f"metadata__{key}", text) for key, text in (self.metadata or {}).items()]


_NAMES = dict.fromkeys(each.name for each in fields(CustomerQuery))
TEXT_FILTERS = tuple(each.name for each in fields(CustomerQuery) if each.validator is _validate_text)


def check_names(filters: CustomerFilters, function: Callable[..., Any]) -> None:
    """Check the names of the filters that a function was called with.

    Raises:
        TypeError: There is no such filter. The message suggests the argument of the function that was meant.
    """
    if unknown := sorted(filters.keys() - _NAMES):
        own = [each.name for each in inspect.signature(function).parameters.values() if each.kind is each.KEYWORD_ONLY]
        cast("dict[str, Any]", filters).clear()  # a traceback shows no token that was passed by mistake
        known = dict.fromkeys([*own, *_NAMES])
        raise TypeError(describe_unexpected(function.__name__, unknown[0], known))


def show_filters(method: F) -> F:
    """Let `help()` show the arguments of `CustomerQuery` in place of `**filters: Unpack[CustomerFilters]`.

    Type checkers and editors do so already.
    """
    signature = inspect.signature(method)
    *own, _ = signature.parameters.values()
    filters = inspect.signature(CustomerQuery).parameters.values()
    method.__signature__ = signature.replace(parameters=[*own, *filters])  # type: ignore[attr-defined]
    return method
