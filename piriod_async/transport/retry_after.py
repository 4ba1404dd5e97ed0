"""The `Retry-After` header."""

from collections.abc import Mapping
from datetime import UTC, datetime

from piriod_async.transport.header_values import parse_http_date, parse_seconds


def parse_retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds to wait, or None if the header is absent or malformed.

    Args:
        headers: The response's headers. A date is compared with the server's clock (`Date`), or ours if that is absent.

    Source: RFC 9110, 10.2.3.
    """
    value = headers.get("Retry-After", "")
    seconds = parse_seconds(value)
    if seconds is None:
        until = parse_http_date(value)
        if until is None:
            return None
        now = parse_http_date(headers.get("Date", "")) or datetime.now(UTC)
        seconds = (until - now).total_seconds()
    return max(seconds, 0.0)
