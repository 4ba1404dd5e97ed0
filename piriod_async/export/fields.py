"""Which fields of a customer are written, and what is said where that cannot be."""

from collections.abc import Collection, Iterable, Sequence

import attrs
import msgspec

from piriod_async.errors import PiriodError
from piriod_async.models import Customer

FIELDS = tuple(attribute.name for attribute in attrs.fields(Customer))
"""The fields of a record, as JSON lines, Parquet and Arrow have them: nested, in this order."""


json_encoder = msgspec.json.Encoder(decimal_format="number")  # 1.10 stays 1.10


class ExportError(PiriodError, ValueError):
    """Customers cannot be written so: a field that there is not, or a value that its column would not hold whole."""


def chosen(fields: Iterable[str] | None, known: Collection[str]) -> Sequence[str]:
    """Return the fields asked for, all if None.

    Raises:
        ExportError: One is not known, or comes twice, or there is none.
    """
    names = tuple(known if fields is None else fields)
    unknown = [name for name in names if name not in known]
    if unknown or not names or len(set(names)) < len(names):
        wrong = unknown[0] if unknown else ",".join(names)
        raise ExportError(f"fields={wrong!r}: expected some of {', '.join(known)}; each once")
    return names


def select_fields(fields: Iterable[str] | None) -> Sequence[str]:
    """Return those of `FIELDS` that are asked for, likewise."""
    return chosen(fields, FIELDS)
