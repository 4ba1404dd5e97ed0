"""Where a listing by `created` can be resumed."""

from typing import Self

import msgspec
from attrs import frozen

from piriod_async.errors import QueryError
from piriod_async.models import AwareDatetime


@frozen(kw_only=True)
class Checkpoint:
    """Where a listing by `created` can be gone on from: `session.customers(…, after=checkpoint)`.

    Attributes:
        ordering (str): `"created"` or `"-created"`.
        created (datetime): All customers before this instant, in that order, were delivered.
        ids (frozenset[str]): Those of this instant that were delivered.
        query (str): What was listed: workspace, filters and mode. Another listing refuses the checkpoint.
    """

    ordering: str
    created: AwareDatetime
    ids: frozenset[str]
    query: str

    def to_json(self) -> str:
        """Return the checkpoint as JSON text, to be kept until `from_json`."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Return the checkpoint that `to_json` wrote.

        Raises:
            QueryError: The text is no checkpoint.
        """
        try:
            return msgspec.json.decode(text, type=cls)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise QueryError(f"expected the JSON of a checkpoint, not {text!r}: {error}") from error
