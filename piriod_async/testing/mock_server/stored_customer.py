"""A customer as the server's database stores it."""

import re
from collections.abc import Collection, Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal

from piriod_async.testing.mock_server.customer_fields import ENCODER, OMITTED, CustomerFields

if TYPE_CHECKING:
    from datetime import datetime

BY_CREATED = attrgetter("created")

TimestampPrecision = Literal["microseconds", "seconds"]

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

    def set(self, fields: CustomerFields) -> None:
        """Overwrite fields."""
        for name, value in fields.payload.items():
            if value is OMITTED:
                self.payload.pop(name, None)
            else:
                self.payload[name] = value
        for name, value in fields.columns.items():
            setattr(self, name, value)
        self._json = None

    def text(self, name: str) -> str:
        """Return a field as text; empty if it is null, omitted or not text."""
        value = self.payload.get(name)
        return value if isinstance(value, str) else ""

    @property
    def country(self) -> Any:
        """Id of the country, whether the payload has an object or a bare id."""
        return id_of(self.payload.get("country"))

    @property
    def sources(self) -> list[Any]:
        """Ids of the payment sources."""
        sources = self.payload.get("sources")
        return [id_of(source) for source in sources] if isinstance(sources, list | tuple) else []

    @property
    def metadata(self) -> Mapping[str, str]:
        """The metadata, with values cast to text as the database does."""
        metadata = self.payload.get("metadata")
        if not isinstance(metadata, dict):
            return {}
        return {
            key: value if isinstance(value, str) else ENCODER.encode(value).decode()
            for key, value in metadata.items()
            if value is not None
        }

    def to_json(self, precision: TimestampPrecision) -> bytes:
        """Encode the payload. The result is cached, so always pass the same precision."""
        if self._json is None:
            json = ENCODER.encode(self.payload)
            self._json = _FRACTION.sub(rb"\1\2", json) if precision == "seconds" else json
        return self._json


def id_of(value: Any) -> Any:
    """Return the id of an object, or the bare id that stands for it."""
    return value.get("id") if isinstance(value, dict) else value
