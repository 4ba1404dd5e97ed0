"""A checkpoint, from which a listing by `created` can be resumed."""

from collections.abc import Collection
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any, Self

import msgspec
from attrs import field, frozen

from piriod_async.datetimes import standard_datetime
from piriod_async.errors import QueryError
from piriod_async.models import AwareDatetime


def _to_standard(value: datetime) -> datetime:
    try:
        return standard_datetime(value)
    except ValueError as error:
        raise QueryError(f"created={value!r}: expected {error}") from error


def _to_ids(value: Collection[str]) -> frozenset[str]:
    ids: Any = value
    if isinstance(ids, AbstractSet | list | tuple) and all(isinstance(each, str) for each in ids):
        return frozenset(ids)
    raise QueryError(f"ids={value!r}: expected a set of customer ids")


@frozen(kw_only=True)
class Checkpoint:
    """How far a listing by `created` was delivered. Resume it with `session.customers(…, after=checkpoint)`.

    Attributes:
        ordering: `"created"` or `"-created"`.
        created: Creation time of the last customer delivered. All customers before it, in this order, were delivered.
        ids: Ids of the customers with exactly this creation time that were delivered.
        query: Server, workspace, filters and mode of the listing. Only a listing with the same ones accepts the
            checkpoint.

    Raises:
        QueryError: A value that no listing can be resumed from.
    """

    ordering: str
    created: AwareDatetime = field(converter=_to_standard)
    ids: frozenset[str] = field(converter=_to_ids)
    query: str

    def __attrs_post_init__(self) -> None:
        if self.ordering not in ("created", "-created"):
            raise QueryError(f'ordering={self.ordering!r}: expected "created" or "-created"')
        if not isinstance(self.query, str):
            raise QueryError(f"query={self.query!r}: expected the query of another checkpoint")

    def to_json(self) -> str:
        """Return the checkpoint as JSON."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Return the checkpoint that `to_json` wrote.

        Raises:
            QueryError: The text is not the JSON of a checkpoint.
        """
        try:
            return msgspec.json.decode(text, type=cls)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise QueryError(f"text={text!r}: expected JSON from Checkpoint.to_json: {error}") from error
