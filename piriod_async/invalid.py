"""Records that could not be decoded, and were skipped."""

from collections.abc import Sequence
from typing import overload

from attrs import define, field, frozen

from piriod_async.errors import MAX_MESSAGE, DecodeError
from piriod_async.plain_text import shorten

MAX_KEPT = 1_000  # records


@frozen(kw_only=True)
class InvalidRecord:
    """A record that is not a customer.

    Attributes:
        path: Location in the response, such as `results[17].created`.
        record_id: Id of the customer, if it has one.
        reason: The problem at that location.
        raw: The record's JSON, as the API sent it.
    """

    path: str
    record_id: str | None
    reason: str
    raw: bytes = field(repr=False)

    def __str__(self) -> str:
        customer = f" (customer {self.record_id})" if self.record_id else ""
        return shorten(f"{self.path}: {self.reason}{customer}", MAX_MESSAGE)

    def to_error(self) -> DecodeError:
        """Return the error that names the record."""
        return DecodeError(str(self), path=self.path, record_id=self.record_id)


@define(eq=False, repr=False)
class InvalidRecords(Sequence[InvalidRecord]):
    """The records that an iteration skipped, in order. Only the first 1,000 are kept.

    Attributes:
        total: Number of records skipped, those that are not kept included.
    """

    total: int = field(default=0, init=False)
    _kept: list[InvalidRecord] = field(factory=list, init=False)

    def add(self, record: InvalidRecord) -> None:
        """Count a record, and keep it if there is room."""
        self.total += 1
        if len(self._kept) < MAX_KEPT:
            self._kept.append(record)

    @overload
    def __getitem__(self, index: int) -> InvalidRecord: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[InvalidRecord]: ...
    def __getitem__(self, index: int | slice) -> InvalidRecord | Sequence[InvalidRecord]:
        return self._kept[index]

    def __len__(self) -> int:
        return len(self._kept)

    def __repr__(self) -> str:
        return f"<{self.total} invalid records: {self._kept!r}>"
