"""A customer as the server's database stores it."""

import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, Final, Literal

import msgspec

from piriod_async.datetimes import encode_datetime, standard_datetime

OMITTED: Final = msgspec.UNSET
"""As the value of a field, removes the field from the response."""

BY_CREATED = attrgetter("created")

TimestampPrecision = Literal["microseconds", "seconds"]

_ENCODER = msgspec.json.Encoder(decimal_format="number", enc_hook=encode_datetime)  # 3757.00 stays 3757.00
_FRACTION = re.compile(rb'(\d\dT\d\d:\d\d:\d\d)\.\d+(Z")')


class StoredCustomer:
    """A customer: the payload that the API sends, and the columns to sort and filter by.

    Args:
        payload: The customer as the API sends it, with aware datetimes and decimals.
        subscriptions: Ids of its subscriptions. The API filters by them but does not send them.

    Attributes:
        created: Creation time, even if the payload's `created` is omitted or not a datetime.
        updated: Time of the last change.
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
        """Overwrite fields with any values, non-conforming ones included."""
        for name, value in fields.items():
            if name == "id" and isinstance(value, str):
                self.id = value
            if name == "subscriptions":
                self.subscriptions = value
            elif value is OMITTED:
                self.payload.pop(name, None)
            elif name in ("created", "updated") and isinstance(value, datetime):
                if value.tzinfo is None:
                    raise ValueError(f"{name}={value!r}: expected a datetime with a time zone")
                self.payload[name] = standard_datetime(value).astimezone(UTC)
                setattr(self, name, self.payload[name])
            else:
                self.payload[name] = value
        self._json = None

    def text(self, name: str) -> str:
        """Return a field as text; empty if it is null, omitted or not text."""
        value = self.payload.get(name)
        return value if isinstance(value, str) else ""

    @property
    def country(self) -> Any:
        """Id of the country, whether the payload has an object or a bare id."""
        return _id_of(self.payload.get("country"))

    @property
    def sources(self) -> list[Any]:
        """Ids of the payment sources."""
        return [_id_of(source) for source in self.payload.get("sources") or ()]

    @property
    def metadata(self) -> Mapping[str, str]:
        """The metadata, with values cast to text as the database does."""
        metadata = self.payload.get("metadata")
        if not isinstance(metadata, dict):
            return {}
        return {
            key: value if isinstance(value, str) else _ENCODER.encode(value).decode()
            for key, value in metadata.items()
            if value is not None
        }

    def to_json(self, precision: TimestampPrecision) -> bytes:
        """Encode the payload. The result is cached, so always pass the same precision."""
        if self._json is None:
            json = _ENCODER.encode(self.payload)
            self._json = _FRACTION.sub(rb"\1\2", json) if precision == "seconds" else json
        return self._json


def _id_of(value: Any) -> Any:
    return value.get("id") if isinstance(value, dict) else value
