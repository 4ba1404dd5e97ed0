"""JSON lines: one customer per line, shaped as in the API, with exact amounts.

Fields come in the order of the records, `id` first. (msgspec alone sorts the fields of a class with slots by name.)
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from operator import attrgetter
from typing import Any

import attrs
import msgspec
from attrs import field, frozen

from piriod_async.export.fields import json_encoder, select_fields
from piriod_async.export.values import check_json_numbers, check_json_values
from piriod_async.models import Aggregations, Contact, Country, Customer, State


def _converter(names: Sequence[str]) -> Callable[[Any], msgspec.Struct]:
    """Return a function that returns these fields of a record as a struct, which is encoded in their order."""
    struct = msgspec.defstruct("Record", names)
    values = attrgetter(*names)
    if len(names) == 1:
        return lambda record: struct(values(record))
    return lambda record: struct(*values(record))


def _names(record_type: type) -> Sequence[str]:
    return [attribute.name for attribute in attrs.fields(record_type)]


_country, _state, _contact, _aggregations = map(_converter, map(_names, (Country, State, Contact, Aggregations)))
_NESTED: dict[str, Callable[[Any], object]] = {
    "country": _country,
    "state": _state,
    "contacts": lambda contacts: list(map(_contact, contacts)),
    "aggregations": _aggregations,
}


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
        try:
            lines = json_encoder.encode_lines(map(self.record, customers))
        except (TypeError, ValueError, RecursionError):
            for customer in customers:
                check_json_values(customer, self.fields)  # raises an error that names the field
            raise
        check_json_numbers(customers, self.fields)
        if self.workspace_column:
            first = b'{"workspace":' + json_encoder.encode(workspace) + b","
            return b"".join(first + line[1:] for line in lines.splitlines(keepends=True))
        return lines

    def footer(self) -> bytes:
        """Return no bytes: JSON lines have no footer."""
        return b""

    @cached_property
    def _convert(self) -> Callable[[Customer], msgspec.Struct]:
        return _converter(self.fields)

    @cached_property
    def _nested(self) -> Sequence[tuple[str, Callable[[Any], object]]]:
        return [(name, convert) for name, convert in _NESTED.items() if name in self.fields]

    def record(self, customer: Customer) -> msgspec.Struct:
        """Return the fields of a customer as a struct, which is encoded in their order."""
        record = self._convert(customer)
        for name, convert in self._nested:
            if value := getattr(record, name):
                setattr(record, name, convert(value))
        return record
