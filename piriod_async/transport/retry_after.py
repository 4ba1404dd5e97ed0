"""The `Retry-After` header."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def parse_retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a `Retry-After` header asks for, or None where there is none that can be read.

    Args:
        headers: The answer's headers. A date is counted from the server's own clock (`Date`) where it tells it.

    Source: RFC 9110, 10.2.3.
    """
    value = headers.get("Retry-After", "")
    try:
        seconds = float(value)
    except ValueError:
        until, now = _http_date(value), _http_date(headers.get("Date", "")) or datetime.now(UTC)
        if until is None:
            return None
        seconds = (until - now).total_seconds()
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def _http_date(value: str) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
