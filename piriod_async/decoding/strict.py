"""Bytes to a page of customers, in two lanes.

The first is msgspec, straight into the records. A page that it refuses is split; each customer tries the first lane
alone, and only the odd ones take the second: cattrs, which forgives what the live API was seen to send, and says
precisely what it cannot. Whatever the first lane accepts, the second decodes to an equal
record.
"""

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import partial
from operator import eq
from typing import Any

import attrs
import cattrs
import msgspec
from cattrs.gen import make_dict_structure_fn

from piriod_async.errors import DecodeError
from piriod_async.models import Aggregations, AwareDatetime, Contact, Country, Customer, CustomerStatus, Page, State
from piriod_async.pagination.raw_page import RawPage


class _Envelope(msgspec.Struct):
    count: int
    results: list[Customer]


class _Row(msgspec.Struct, frozen=True, gc=False):
    id: str
    created: AwareDatetime | None = None


class _RowEnvelope(msgspec.Struct):
    count: int
    results: list[_Row]


class _RawEnvelope(msgspec.Struct):
    count: int
    results: list[msgspec.Raw]


_page = msgspec.json.Decoder(_Envelope)
_rows = msgspec.json.Decoder(_RowEnvelope)
_raw_page = msgspec.json.Decoder(_RawEnvelope)
_customer = msgspec.json.Decoder(Customer)
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, InvalidOperation)  # the last of 1e99999999999
_SHOWN = 200  # characters of a value that a message shows


def _fields(names: Iterable[str], number: type[Decimal | float] = float) -> msgspec.json.Decoder[Any]:
    """Return a decoder of some fields of a record; all else is passed over unread, as the first lane does."""
    part = msgspec.defstruct("_Part", [(name, Any, msgspec.UNSET) for name in names])
    return msgspec.json.Decoder(part, float_hook=number)


_id = _fields(["id"])
_free = _fields(["metadata", "tax_settings"])  # the user's own, where a number stays what JSON makes of it
_exact = _fields({attribute.name for attribute in attrs.fields(Customer)} - {"metadata", "tax_settings"}, Decimal)


async def decode_keys(body: bytes, turn: asyncio.Lock) -> RawPage:
    """Decode as much of one response as a crawl needs; its customers too, if it cannot be done without.

    Args:
        body: The body of a 200.
        turn: Held while customers are decoded: those of one response at a time.

    Raises:
        DecodeError: As `decode_page`.
    """
    try:
        outline = _rows.decode(body)
    except _UNREADABLE:
        async with turn:
            page = await decode_page(body)
        return RawPage(keys=page.customers, count=page.count, raw=body, customers=page.customers)
    return RawPage(keys=outline.results, count=outline.count, raw=body)


async def decode_page(body: bytes) -> Page:
    """Decode one response; let the event loop turn after every odd customer.

    Args:
        body: The body of a 200.

    Raises:
        DecodeError: The body is no page of customers (`retryable`: it may have been cut, or be a proxy's), or one of
            customers cannot be read (`path` and `record_id` say which; asking again is of no use).
    """
    try:
        page = _page.decode(body)
    except _UNREADABLE:
        return await _decode_odd_page(body)
    return Page(customers=tuple(page.results), count=page.count, raw=body)


async def _decode_odd_page(body: bytes) -> Page:
    try:
        page = _raw_page.decode(body)
    except _UNREADABLE as error:
        start = body[:60].decode(errors="replace")
        raise DecodeError(f"the body is not a page of customers: {error} ({start!r}…)", retryable=True) from error
    customers = []
    for index, raw in enumerate(page.results):
        try:
            customers.append(_customer.decode(raw))
        except _UNREADABLE:
            customers.append(decode_odd(raw, path=f"results[{index}]"))
            await asyncio.sleep(0)
    return Page(customers=tuple(customers), count=page.count, raw=body)


def decode_odd(raw: bytes | msgspec.Raw, *, path: str = "$") -> Customer:
    """Decode one customer by the second lane.

    Args:
        raw: The customer's JSON.
        path: Where it stands in its body, for the error.

    Raises:
        DecodeError: It cannot be read.
    """
    try:
        return _odd.structure(_read(_exact, raw) | _read(_free, raw), Customer)
    except (cattrs.BaseValidationError, *_UNREADABLE) as error:
        where, what = _explain(error, path)
        record_id = _id_in(raw)
        name = f" (customer {record_id})" if record_id else ""
        raise DecodeError(f"{where}: {what}{name}", path=where, record_id=record_id) from error


def _read(decoder: msgspec.json.Decoder[Any], raw: bytes | msgspec.Raw) -> dict[str, Any]:
    fields = msgspec.structs.asdict(decoder.decode(raw))
    return {name: value for name, value in fields.items() if value is not msgspec.UNSET}


def _id_in(raw: bytes | msgspec.Raw) -> str | None:
    try:
        value = _id.decode(raw).id
    except _UNREADABLE:
        return None
    return value if isinstance(value, str) else None


def _explain(error: BaseException, path: str) -> tuple[str, str]:
    if isinstance(error, InvalidOperation):
        return path, "a number is larger than any that can be reckoned with"
    if not isinstance(error, cattrs.BaseValidationError):
        return path, str(error)
    first = cattrs.transform_error(error, path, lambda inner, _: _reason(inner))[0]
    what, _, where = first.rpartition(" @ ")
    return where, what


def _reason(error: BaseException) -> str:
    return f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)


def _shown(value: Any) -> str:
    text = str(value) if isinstance(value, Decimal) else repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _strict(kind: Any, expected: str) -> Callable[[Any, Any], Any]:
    """Return a hook that accepts what the first lane does: both ask msgspec."""

    def hook(value: Any, _: Any) -> Any:
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError:
            raise ValueError(f"{_shown(value)} is not {expected}") from None

    return hook


def _by_id(value: Any) -> Any:
    """Give a bare id the object it stands for."""
    return {"id": value} if value and isinstance(value, str) else value


def _id_of(value: Any) -> Any:
    """Give an object, or a number, the text that it is known by."""
    value = value.get("id", value) if isinstance(value, dict) else value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _mend_contact(record: dict[str, Any]) -> dict[str, Any]:
    return record | {"orgunit": _id_of(record.get("orgunit"))}


def _mend_customer(record: dict[str, Any]) -> dict[str, Any]:
    record = record | {name: _by_id(record.get(name)) for name in ("country", "state")}
    contacts, sources, created = record.get("contacts"), record.get("sources"), record.get("created")
    if isinstance(sources, list):
        record["sources"] = [_id_of(source) for source in sources]
    # Old pages print nested datetimes without a zone: in UTC, or in the zone that the server prints in. Where a
    # customer's own is printed in UTC that leaves no choice; elsewhere it does, and they stay an error.
    if isinstance(contacts, list) and isinstance(created, str) and created.endswith(("Z", "+00:00")):
        record["contacts"] = [_in_utc(contact) if isinstance(contact, dict) else contact for contact in contacts]
    return record


def _in_utc(record: dict[str, Any]) -> dict[str, Any]:
    naive = {name: record[name] for name in ("created", "updated") if _is_naive(record.get(name))}
    return record | {name: f"{stamp}Z" for name, stamp in naive.items()}


def _is_naive(value: Any) -> bool:
    try:
        return msgspec.convert(value, datetime).tzinfo is None
    except msgspec.ValidationError:
        return False


def _make_converter() -> cattrs.Converter:
    converter = cattrs.Converter(detailed_validation=True)

    def register(cls: type[attrs.AttrsInstance], mend: Callable[[dict[str, Any]], dict[str, Any]] = dict) -> None:
        structure = make_dict_structure_fn(cls, converter)
        optional = {attribute.name for attribute in attrs.fields(cls) if attribute.default is not attrs.NOTHING}
        text = {attribute.name for attribute in attrs.fields(cls) if attribute.type in (str | None, CustomerStatus)}

        def hook(value: Any, _: Any) -> attrs.AttrsInstance:
            if not isinstance(value, dict):
                raise ValueError(f"{_shown(value)} is not an object")  # noqa: TRY004 (not our caller's mistake)
            record = mend(value)
            absent = {
                name for name in optional if record.get(name) is None or (record[name] == "" and name not in text)
            }
            return structure({name: inner for name, inner in record.items() if name not in absent}, cls)

        converter.register_structure_hook(cls, hook)

    # cattrs' own would make 'None' of null, True of "no", and ('a', 'b') of "ab"
    converter.register_structure_hook(str, _strict(str, "text"))
    converter.register_structure_hook(bool, _strict(bool, "true or false"))
    converter.register_structure_hook(Decimal, _strict(Decimal, "an amount"))
    converter.register_structure_hook(datetime, _strict(AwareDatetime, "a date-time with a time zone"))
    converter.register_structure_hook(CustomerStatus, _strict(CustomerStatus, "a status"))
    converter.register_structure_hook(int | str, _strict(int | str, "an id"))
    for kind, expected in ((tuple[str, ...], "a list of text"), (dict[str, Any], "an object")):
        converter.register_structure_hook_func(partial(eq, kind), _strict(kind, expected))
    register(Country)
    register(State)
    register(Aggregations)
    register(Contact, _mend_contact)
    contacts = converter.get_structure_hook(tuple[Contact, ...])

    def contact_list(value: Any, kind: Any) -> Any:
        if not isinstance(value, list):
            raise ValueError(f"{_shown(value)} is not a list of contacts")  # noqa: TRY004
        return contacts(value, kind)

    converter.register_structure_hook_func(partial(eq, tuple[Contact, ...]), contact_list)
    register(Customer, _mend_customer)
    return converter


_odd = _make_converter()
