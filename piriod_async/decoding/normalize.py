"""Variants that the live API was seen to send, rewritten to the form of its contract.

| field               | contract            | also seen                           |
|---------------------|---------------------|-------------------------------------|
| `country`, `state`  | an object           | a bare id: `"US"`; `{}`; no `id`    |
| `sources`           | ids                 | objects with an `id`                |
| `contacts[].orgunit`| an id or null       | an object with an `id`, an integer  |
| `contacts[].created`| with a time zone    | `2020-05-12 15:42:09`               |
"""

from typing import Any

import msgspec

from piriod_async.datetimes import DATETIME_TYPES


def normalize_customer(record: dict[str, Any]) -> dict[str, Any]:
    """Return a customer's fields in the form of the contract."""
    record = record | {name: _normalize_place(record[name]) for name in ("country", "state") if name in record}
    contacts, sources, created = record.get("contacts"), record.get("sources"), record.get("created")
    if isinstance(sources, list):
        record["sources"] = [_unwrap_id(source) for source in sources]
    # A datetime without a zone is in UTC or in the server's own zone. If the customer's own `created` is printed in
    # UTC, both are the same; otherwise the zone is unknown, and the contact stays an error.
    if isinstance(contacts, list) and isinstance(created, str) and created.endswith(("Z", "+00:00")):
        record["contacts"] = [_assume_utc(contact) if isinstance(contact, dict) else contact for contact in contacts]
    return record


def normalize_contact(record: dict[str, Any]) -> dict[str, Any]:
    """Return a contact's fields in the form of the contract."""
    return record | {"orgunit": _unwrap_id(record.get("orgunit"))}


def _normalize_place(value: Any) -> Any:
    """Return the object that a bare id stands for, an object with an id, or None for an object that says nothing."""
    if isinstance(value, str) and value:
        return {"id": value}
    if not isinstance(value, dict) or value.get("id") is not None:
        return value
    return value | {"id": ""} if any(inner not in (None, "") for inner in value.values()) else None


def _unwrap_id(value: Any) -> Any:
    """Return the id of an object, and a numeric id as text."""
    value = value.get("id", value) if isinstance(value, dict) else value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _assume_utc(record: dict[str, Any]) -> dict[str, Any]:
    naive = {name: record[name] for name in ("created", "updated") if _is_naive(record.get(name))}
    return record | {name: f"{text}Z" for name, text in naive.items()}


def _is_naive(value: Any) -> bool:
    try:
        return msgspec.convert(value, DATETIME_TYPES[0]).tzinfo is None
    except msgspec.ValidationError:
        return False
