"""Seconds and dates in response headers."""

import math
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_DECIMAL = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")  # float() would also read `1_0`, `1e3`, `nan` and Arabic digits


def parse_seconds(value: str) -> float | None:
    """Return a number of seconds, or None if the value is malformed.

    RFC 9110 allows ASCII digits only. Some servers send a fraction or a sign too, and their meaning is clear.
    """
    value = value.strip(" \t")
    if not _DECIMAL.fullmatch(value):
        return None
    seconds = float(value)
    return seconds if math.isfinite(seconds) else None


def parse_http_date(value: str) -> datetime | None:
    """Return an HTTP date, or None if the value is malformed."""
    if not value.isascii() or "_" in value:  # the standard library reads its numbers with int()
        return None
    try:
        parsed = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
