"""Whether two records of a customer are the same: by a digest, so that a mirror need not read its records back.

What is equal has equal digests: amounts (1.10 and 1.1), moments (in any zone), the order of contacts, of sources, and
of the keys of free JSON.
"""

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from hashlib import blake2b
from operator import attrgetter
from typing import Any

import attrs
import msgspec
from attrs import field, frozen

from piriod_async.datetimes import encode_datetime
from piriod_async.errors import QueryError
from piriod_async.export.fields import FIELDS
from piriod_async.models import Aggregations, Contact, Country, Customer, State

DIGEST_VERSION = 1
DIGEST_BYTES = 16
REQUIRED = ("id", "created")  # who a customer is, and where its place is
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)
_encode = msgspec.json.Encoder(order="sorted", enc_hook=encode_datetime).encode


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
    return moment and utc(moment)


def _names(record_type: type, *without: str) -> list[str]:
    return [attribute.name for attribute in attrs.fields(record_type) if attribute.name not in without]


_country_values = attrgetter(*_names(Country, "tax_percent"))
_state_values = attrgetter(*_names(State))
_contact_values = attrgetter(*_names(Contact, "created", "updated"))


def _country(country: Country | None) -> object:
    return country and (_country_values(country), _amount(country.tax_percent))


def _state(state: State | None) -> object:
    return state and _state_values(state)


def _contacts(contacts: tuple[Contact, ...]) -> object:
    if not contacts:
        return ()
    if len(contacts) > 1:
        contacts = tuple(sorted(contacts, key=_by_id))
    return [(_contact_values(contact), _moment(contact.created), _moment(contact.updated)) for contact in contacts]


def _by_id(contact: Contact) -> tuple[str, bytes]:
    return contact.id or "", b"" if contact.id else _encode(contact)


def _aggregations(aggregations: Aggregations) -> object:
    return _amount(aggregations.sales), _amount(aggregations.sales_current_period), _amount(aggregations.balance)


_NORMALIZE: dict[str, Callable[[Any], object]] = {
    "country": _country,
    "state": _state,
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
    _plain: Callable[[Customer], Any] = field(init=False)
    _normalized: list[tuple[Callable[[Customer], Any], Callable[[Any], object]]] = field(init=False)

    @_plain.default
    def _make_plain(self) -> Callable[[Customer], Any]:
        return attrgetter(*[name for name in FIELDS if name not in _NORMALIZE and name not in self.ignore])

    @_normalized.default
    def _make_normalized(self) -> list[tuple[Callable[[Customer], Any], Callable[[Any], object]]]:
        return [(attrgetter(name), call) for name, call in _NORMALIZE.items() if name not in self.ignore]

    @property
    def key(self) -> str:
        """Distinguishes digests that cannot be compared with each other."""
        return ",".join((str(DIGEST_VERSION), *self.ignore))

    def digest(self, customer: Customer) -> bytes:
        """Return a digest that is the same for equal customers."""
        normalized = [call(get(customer)) for get, call in self._normalized]
        return blake2b(_encode((self._plain(customer), normalized)), digest_size=DIGEST_BYTES).digest()

    def differences(self, before: Customer, after: Customer) -> dict[str, tuple[Any, Any]]:
        """Return the fields that differ, with both values."""
        different: dict[str, tuple[Any, Any]] = {}
        for name in FIELDS:
            old, new = getattr(before, name), getattr(after, name)
            if old != new and name not in self.ignore and _digested(name, old) != _digested(name, new):
                different[name] = old, new
        return different


def _digested(name: str, value: Any) -> bytes:
    normalize = _NORMALIZE.get(name)
    return _encode(normalize(value) if normalize else value)
