"""JSON lines: a customer a line, as the API gives it, money to the last digit."""

from collections.abc import Iterable, Sequence

import msgspec
from attrs import field, frozen

from piriod_async.export.fields import FIELDS, chosen
from piriod_async.models import Customer

_json = msgspec.json.Encoder(decimal_format="number")  # 1.10 stays 1.10


def _chosen(fields: Iterable[str] | None) -> Sequence[str]:
    return chosen(fields, FIELDS)


@frozen
class JsonLines:
    """Customers as JSON lines, UTF-8.

    Args:
        fields: Some of `FIELDS`, in the order wanted; all if None.
        workspaces: Begin each with a field `workspace`.
    """

    fields: Sequence[str] = field(default=None, converter=_chosen)
    workspaces: bool = False

    def start(self) -> bytes:
        """Return what a file begins with: nothing."""
        return b""

    def encode(self, customers: Iterable[Customer], workspace: str | None = None) -> bytes:
        """Return the lines of customers that are all of one workspace."""
        lines: Iterable[bytes] = map(self._line, customers)
        if self.workspaces:
            first = b'{"workspace":' + _json.encode(workspace) + b","
            lines = (first + line[1:] for line in lines)
        return b"".join(line + b"\n" for line in lines)

    def _line(self, customer: Customer) -> bytes:
        if self.fields == FIELDS:
            return _json.encode(customer)
        return _json.encode({name: getattr(customer, name) for name in self.fields})
