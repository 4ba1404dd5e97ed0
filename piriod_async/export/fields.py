"""Field selection and JSON encoding shared by the formats."""

from collections.abc import Collection, Iterable, Sequence

import attrs
import msgspec

from piriod_async.datetimes import encode_datetime
from piriod_async.errors import PiriodError
from piriod_async.models import Customer

FIELDS = tuple(attribute.name for attribute in attrs.fields(Customer))
"""The fields of a customer, in the order in which JSON lines, Parquet and Arrow have them."""


json_encoder = msgspec.json.Encoder(decimal_format="number", enc_hook=encode_datetime)  # 1.10 stays 1.10


class ExportError(PiriodError, ValueError):
    """The export is not possible: an unknown field, a value that does not fit its column, or an unusable path."""


def select(fields: Iterable[str] | None, available: Collection[str]) -> Sequence[str]:
    """Return the requested fields, or all available ones if None.

    Raises:
        ExportError: A field is unknown or repeated, or `fields` is empty.
    """
    names = tuple(available if fields is None else fields)
    unknown = [name for name in names if name not in available]
    if unknown or not names or len(set(names)) < len(names):
        wrong = unknown[0] if unknown else ",".join(names)
        raise ExportError(f"fields={wrong!r}: expected some of {', '.join(available)}; each once")
    return names


def select_fields(fields: Iterable[str] | None) -> Sequence[str]:
    """Return the requested `FIELDS`, or all of them if None.

    Raises:
        ExportError: A field is unknown or repeated, or `fields` is empty.
    """
    return select(fields, FIELDS)
