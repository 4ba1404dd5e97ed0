"""The rows that pyarrow must give back for a customer."""

from datetime import datetime
from decimal import Decimal

import msgspec

_JSON = msgspec.json.Encoder(decimal_format="number")


def arrow_row(customer):
    """Return the record's own shape, except for JSON strings and the state's id."""
    row = _with_lists(msgspec.to_builtins(customer, builtin_types=(datetime, Decimal)))
    row |= {name: _JSON.encode(row[name]).decode() for name in ("metadata", "tax_settings")}
    if row["state"]:
        row["state"]["id"] = str(row["state"]["id"])
    return row


def _with_lists(value):
    if isinstance(value, dict):
        return {name: _with_lists(inner) for name, inner in value.items()}
    return [_with_lists(inner) for inner in value] if isinstance(value, tuple | list) else value
