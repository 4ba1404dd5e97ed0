"""Customers that share their countries and states.

A workspace has few countries and states, and each customer repeats one of each. So they are decoded once, and their
records, which are immutable, are shared: that saves a fifth of the decoding, and much of the memory of a list that is
kept. All else belongs to one customer, mappings above all, because they can be changed.
"""

from collections.abc import Iterable
from typing import TypeVar

import msgspec
from attrs import frozen

from piriod_async.models import Country, Customer, State

T = TypeVar("T")
MAX_SHARED = 1_000  # countries, and as many states
MAX_SHARED_SIZE = 1_000  # bytes of JSON: a real one has 100 to 200
_NULL = msgspec.Raw(b"null")


@frozen(kw_only=True)
class UnfinishedCustomer(Customer):
    """A customer of which the country and the state are still JSON. `finish` turns it into a `Customer`."""

    country: msgspec.Raw = _NULL  # type: ignore[assignment]
    state: msgspec.Raw = _NULL  # type: ignore[assignment]


class _Shared(dict[bytes, T | None]):
    """Records of one type by their JSON, each decoded when it is first looked up. Null is None."""

    def __init__(self, type_: type[T]) -> None:
        self._decode = msgspec.json.Decoder[T | None](type_ | None).decode

    def __missing__(self, json: bytes) -> T | None:
        record: T | None = self._decode(json)
        if len(json) <= MAX_SHARED_SIZE:
            if len(self) >= MAX_SHARED:
                self.clear()
            self[json] = record
        return record


_countries, _states = _Shared(Country), _Shared(State)
_set_country, _set_state = (vars(Customer)[name].__set__ for name in ("country", "state"))  # it is frozen otherwise
_set_class = vars(object)["__class__"].__set__


def finish(unfinished: Iterable[UnfinishedCustomer]) -> tuple[Customer, ...]:
    """Decode the countries and the states, and return the same objects as `Customer`: to copy them costs more.

    Raises:
        msgspec.ValidationError: One of them does not follow the contract. Or another of `strict.DECODE_ERRORS`.
    """
    customers = tuple(unfinished)
    for customer in customers:
        _set_country(customer, _countries[bytes(customer.country)])
        _set_state(customer, _states[bytes(customer.state)])
        _set_class(customer, Customer)
    return customers
