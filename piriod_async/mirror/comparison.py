"""Whether two records of a customer are the same: by a digest, so that a mirror need not read its records back.

What is equal has equal digests: amounts (1.10 and 1.1), moments (in any zone), the order of contacts, of sources, and
of the keys of free JSON.
"""

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from functools import cache
from hashlib import blake2b
from operator import attrgetter
from typing import Any

import msgspec
from attrs import evolve, field, frozen

from piriod_async.datetimes import encode_datetime
from piriod_async.errors import QueryError
from piriod_async.export.fields import FIELDS
from piriod_async.models import Aggregations, Contact, Country, Customer

DIGEST_VERSION = 1
DIGEST_BYTES = 16
REQUIRED = ("id", "created")  # who a customer is, and where its place is
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)
_id_of = attrgetter("id")
_encode = msgspec.json.Encoder(order="deterministic", enc_hook=encode_datetime).encode


def utc(moment: datetime) -> datetime:
    """Return a moment in UTC; on the first and the last day of the calendar, the closest that exists."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return _FIRST if moment.year == 1 else _LAST


def _amount(amount: Decimal | None) -> Decimal | int | None:
    if amount is None:
        return None
    return amount.normalize(_EXACT) if amount else 0  # -0.00 too


def _moment(moment: datetime | None) -> datetime | None:
    return moment if moment is None or moment.tzinfo is UTC else utc(moment)


def _country(country: Country | None) -> object:
    if country is None or country.tax_percent is None:
        return country
    return evolve(country, tax_percent=None), _amount(country.tax_percent)


def _contacts(contacts: tuple[Contact, ...]) -> object:
    for contact in contacts:
        if _moment(contact.created) is not contact.created or _moment(contact.updated) is not contact.updated:
            contacts = tuple(
                evolve(each, created=_moment(each.created), updated=_moment(each.updated)) for each in contacts
            )
            break
    return _sorted(contacts) if len(contacts) > 1 else contacts


def _sorted(contacts: tuple[Contact, ...]) -> list[Contact]:
    try:
        return sorted(contacts, key=_id_of)
    except TypeError:  # some have no id
        return sorted(contacts, key=_encode)


def _aggregations(aggregations: Aggregations) -> object:
    return _amount(aggregations.sales), _amount(aggregations.sales_current_period), _amount(aggregations.balance)


_NORMALIZE: dict[str, Callable[[Any], object]] = {
    "country": _country,
    "contacts": _contacts,
    "sources": sorted,
    "aggregations": _aggregations,
    "created": _moment,
    "updated": _moment,
}


def _check_ignored(names: Collection[str]) -> tuple[str, ...]:
    if isinstance(names, str) or not isinstance(names, Collection):
        raise QueryError(f"ignore={names!r}: expected a collection of field names, such as ('updated',)")
    for name in names:
        if name not in FIELDS or name in REQUIRED:
            available = [each for each in FIELDS if each not in REQUIRED]
            raise QueryError(f"ignore={name!r}: expected some of {', '.join(available)}")
    return tuple(sorted(set(names)))


@frozen
class Comparison:
    """Compares customers by all fields but some.

    Args:
        ignore: Names of fields that are not compared.

    Raises:
        QueryError: `ignore` is not a collection of fields that can be ignored.
    """

    ignore: tuple[str, ...] = field(default=(), converter=_check_ignored)
    _values: Callable[[Customer], tuple[Any, ...]] = field(init=False)
    _normalize: list[tuple[int, Callable[[Any], object]]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        names = [name for name in FIELDS if name not in self.ignore]
        object.__setattr__(self, "_values", attrgetter(*names))
        normalize = [(index, _NORMALIZE[name]) for index, name in enumerate(names) if name in _NORMALIZE]
        object.__setattr__(self, "_normalize", normalize)

    @property
    def key(self) -> str:
        """Distinguishes digests that cannot be compared with each other."""
        return ",".join((str(DIGEST_VERSION), *self.ignore))

    def digest(self, customer: Customer) -> bytes:
        """Return a digest that is the same for equal customers."""
        values = list(self._values(customer))
        for index, normalize in self._normalize:
            values[index] = normalize(values[index])
        return blake2b(_encode(values), digest_size=DIGEST_BYTES).digest()

    def differences(self, before: Customer, after: Customer) -> dict[str, tuple[Any, Any]]:
        """Return the fields that differ, with both values."""
        different: dict[str, tuple[Any, Any]] = {}
        for name in FIELDS:
            old, new = getattr(before, name), getattr(after, name)
            if old != new and name not in self.ignore and _digested(name, old) != _digested(name, new):
                different[name] = old, new
        return different


@cache
def comparison_of(key: str) -> Comparison:
    """Return the comparison that has this key."""
    _, *ignore = key.split(",")
    return Comparison(ignore)


def _digested(name: str, value: Any) -> bytes:
    normalize = _NORMALIZE.get(name)
    return _encode(normalize(value) if normalize else value)
