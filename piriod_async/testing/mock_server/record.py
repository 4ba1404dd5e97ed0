"""One customer, as a database would keep it."""

import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, Final

import msgspec

OMITTED: Final = msgspec.UNSET
"""Given as the value of a field, leaves the field out of the payload."""

BY_CREATED = attrgetter("created")

_ENCODER = msgspec.json.Encoder(decimal_format="number")  # 3757.00 stays 3757.00
_FRACTION = re.compile(rb'(\d\dT\d\d:\d\d:\d\d)\.\d+(Z")')


class Row:
    """One customer: what is printed, and what it is sorted and filtered by.

    Args:
        payload: The customer as the API prints it, with aware datetimes and decimals in it.
        subscriptions: Ids of its subscriptions, which the API filters by and does not print.

    Attributes:
        created: When the row was made, also if the payload says something else or nothing.
        updated: When it was last changed.
    """

    __slots__ = ("_json", "created", "id", "payload", "subscriptions", "updated")

    def __init__(self, payload: dict[str, Any], subscriptions: Collection[str] = ()) -> None:
        self.id: str = payload["id"]
        self.payload = payload
        self.created: datetime = payload["created"]
        self.updated: datetime = payload["updated"]
        self.subscriptions = subscriptions
        self._json: bytes | None = None

    def set(self, fields: Mapping[str, Any]) -> None:
        """Overwrite fields, odd values included."""
        for name, value in fields.items():
            if name == "id" and isinstance(value, str):
                self.id = value
            if name == "subscriptions":
                self.subscriptions = value
            elif value is OMITTED:
                self.payload.pop(name, None)
            elif name in ("created", "updated") and isinstance(value, datetime):
                if value.tzinfo is None:
                    raise ValueError(f"{name} needs a time zone: {value!r}")
                self.payload[name] = value.astimezone(UTC)
                setattr(self, name, self.payload[name])
            else:
                self.payload[name] = value
        self._json = None

    def text(self, name: str) -> str:
        """A field as text; what is null, absent or no text is empty."""
        value = self.payload.get(name)
        return value if isinstance(value, str) else ""

    @property
    def country(self) -> Any:
        """The id of the country, whether it is printed as an object or bare."""
        return _id_of(self.payload.get("country"))

    @property
    def sources(self) -> list[Any]:
        """The ids of the payment sources."""
        return [_id_of(source) for source in self.payload.get("sources") or ()]

    @property
    def metadata(self) -> Mapping[str, str]:
        """The metadata, each value as the database would cast it to text."""
        metadata = self.payload.get("metadata")
        if not isinstance(metadata, dict):
            return {}
        return {
            key: value if isinstance(value, str) else _ENCODER.encode(value).decode()
            for key, value in metadata.items()
            if value is not None
        }

    def json(self, *, to_the_second: bool) -> bytes:
        """The payload as printed; always ask in the same way, it is kept."""
        if self._json is None:
            json = _ENCODER.encode(self.payload)
            self._json = _FRACTION.sub(rb"\1\2", json) if to_the_second else json
        return self._json


def _id_of(value: Any) -> Any:
    return value.get("id") if isinstance(value, dict) else value
