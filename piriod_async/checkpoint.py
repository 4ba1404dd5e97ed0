"""A checkpoint, from which a listing by `created` can be resumed."""

from typing import Self

import msgspec
from attrs import frozen

from piriod_async.errors import QueryError
from piriod_async.models import AwareDatetime


@frozen(kw_only=True)
class Checkpoint:
    """How far a listing by `created` was delivered. Resume it with `session.customers(…, after=checkpoint)`.

    Attributes:
        ordering: `"created"` or `"-created"`.
        created: Creation time of the last customer delivered. All customers before it, in this order, were delivered.
        ids: Ids of the customers with exactly this creation time that were delivered.
        query: Workspace, filters and mode of the listing. Only a listing with the same ones accepts the checkpoint.
    """

    ordering: str
    created: AwareDatetime
    ids: frozenset[str]
    query: str

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
