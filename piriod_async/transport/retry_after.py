"""The `Retry-After` header."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def parse_retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds to wait, or None if the header is absent or malformed.

    Args:
        headers: The response's headers. A date is compared with the server's clock (`Date`), or ours if that is absent.

    Source: RFC 9110, 10.2.3.
    """
    value = headers.get("Retry-After", "")
    try:
        seconds = float(value)
    except ValueError:
        until = _parse_http_date(value)
        if until is None:
            return None
        now = _parse_http_date(headers.get("Date", "")) or datetime.now(UTC)
        seconds = (until - now).total_seconds()
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def _parse_http_date(value: str) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
