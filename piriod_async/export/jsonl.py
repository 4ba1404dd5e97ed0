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
    """

    fields: Sequence[str] = field(default=None, converter=_chosen)

    def start(self) -> bytes:
        """Return what a file begins with: nothing."""
        return b""

    def encode(self, customers: Iterable[Customer], workspace: str | None = None) -> bytes:
        """Return customers' lines; with their workspace's id as the first field, if it is given."""
        lines: Iterable[bytes] = map(self._line, customers)
        if workspace is not None:
            first = b'{"workspace":' + _json.encode(workspace) + b","
            lines = (first + line[1:] for line in lines)
        return b"".join(line + b"\n" for line in lines)

    def _line(self, customer: Customer) -> bytes:
        if self.fields == FIELDS:
            return _json.encode(customer)
        return _json.encode({name: getattr(customer, name) for name in self.fields})
