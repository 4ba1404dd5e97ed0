"""JSON lines: one customer per line, shaped as in the API, with exact amounts."""

from collections.abc import Iterable, Sequence

from attrs import field, frozen

from piriod_async.export.fields import FIELDS, json_encoder, select_fields
from piriod_async.export.values import check_json_numbers, encode_json_field
from piriod_async.models import Customer


@frozen
class JsonLinesEncoder:
    """Encode customers as JSON lines in UTF-8.

    Args:
        fields: Some of `FIELDS`, in the desired order; all if None.
        workspace_column: Put a `workspace` field first.
    """

    fields: Sequence[str] = field(default=None, converter=select_fields)
    workspace_column: bool = False

    def header(self) -> bytes:
        """Return no bytes: JSON lines have no header."""
        return b""

    def encode(self, customers: Iterable[Customer], workspace: str | None = None) -> bytes:
        """Return one line per customer; all customers must belong to the given workspace.

        Raises:
            ExportError: JSON cannot hold a value, such as an infinite number in `metadata`.
        """
        customers = list(customers)
        lines: Iterable[bytes] = map(self._line, customers)
        if self.workspace_column:
            first = b'{"workspace":' + json_encoder.encode(workspace) + b","
            lines = (first + line[1:] for line in lines)
        data = b"".join(line + b"\n" for line in lines)
        check_json_numbers(customers, self.fields)
        return data

    def footer(self) -> bytes:
        """Return no bytes: JSON lines have no footer."""
        return b""

    def _line(self, customer: Customer) -> bytes:
        if self.fields == FIELDS:
            record: object = customer
        else:
            record = {name: getattr(customer, name) for name in self.fields}
        try:
            return json_encoder.encode(record)
        except (ValueError, RecursionError):
            for name in self.fields:
                encode_json_field(customer, name)  # raises an error that names the field
            raise
