"""JSON lines: a customer a line, as the API gives it, money to the last digit."""

from collections.abc import Iterable, Sequence

from attrs import field, frozen

from piriod_async.export.fields import FIELDS, json_encoder, select_fields
from piriod_async.models import Customer


@frozen
class JsonLinesEncoder:
    """Customers as JSON lines, UTF-8.

    Args:
        fields: Some of `FIELDS`, in the order wanted; all if None.
        workspaces: Begin each with a field `workspace`.
    """

    fields: Sequence[str] = field(default=None, converter=select_fields)
    workspaces: bool = False

    def start(self) -> bytes:
        """Return what a file begins with: nothing."""
        return b""

    def encode(self, customers: Iterable[Customer], workspace: str | None = None) -> bytes:
        """Return the lines of customers that are all of one workspace."""
        lines: Iterable[bytes] = map(self._line, customers)
        if self.workspaces:
            first = b'{"workspace":' + json_encoder.encode(workspace) + b","
            lines = (first + line[1:] for line in lines)
        return b"".join(line + b"\n" for line in lines)

    def _line(self, customer: Customer) -> bytes:
        if self.fields == FIELDS:
            return json_encoder.encode(customer)
        return json_encoder.encode({name: getattr(customer, name) for name in self.fields})
