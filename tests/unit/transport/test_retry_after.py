"""Parsing of `Retry-After`."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from piriod_async.transport.retry_after import parse_retry_after

NOON = datetime(2031, 5, 5, 12, tzinfo=UTC)


def http_date(when):
    return format_datetime(when, usegmt=True)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7),
        (" 7 ", 7),
        ("0.25", 0.25),
        ("0", 0),
        ("-7", 0),
        ("1e400", None),
        ("nan", None),
        ("inf", None),
        ("1_0", None),
        ("٧", None),  # noqa: RUF001 (an Arabic seven, which float() reads)
        ("７", None),  # noqa: RUF001 (a full-width seven)
        ("1e3", None),
        ("+7", None),
        ("7.", None),
        (" \u00a07", None),
        ("9" * 400, None),
        ("-inf", None),
        ("", None),
        ("soon", None),
        ("7 seconds", None),
        ("5, 7", None),
        (http_date(NOON + timedelta(seconds=90)), 90),
        (http_date(NOON - timedelta(seconds=90)), 0),
        ("Mon, 05 May 2031 12:00:07 -0000", 7),
        ("Mon, 05 May 2031 09:00:07 -0300", 7),
        ("Monday, 05-May-31 12:00:07 GMT", 7),
        ("Mon May  5 12:00:07 2031", 7),
        ("Mon, 99 May 2031 12:00:07 GMT", None),
        ("Mon, 05 May 2031 12:00:0_7 GMT", None),
        ("Mon, 05 May 2031 12:00:٠٧ GMT", None),  # noqa: RUF001 (Arabic digits)
        ("Mon, 05 May 99999999999999999999 12:00:07 GMT", None),
        ("Mon, 05 May 2031 12:00:07 +99999999999999999999", None),
    ],
)
def test_value(value, seconds):
    """Seconds and HTTP dates are read; negative ones are 0, malformed ones None."""
    assert parse_retry_after({"Retry-After": value, "Date": http_date(NOON)}) == seconds


@pytest.mark.parametrize(
    "date", [None, "", "yesterday", "Mon, 05 May 99999999999999999999 12:00:07 GMT", "Mon, 05 May ٢٠٣١ 12:00:00 GMT"]
)
def test_without_server_date(date):
    """Without a usable `Date`, a date is compared with our own clock."""
    headers = {"Retry-After": http_date(datetime.now(UTC) + timedelta(seconds=90))} | ({"Date": date} if date else {})
    assert parse_retry_after(headers) == pytest.approx(89, abs=2)


@pytest.mark.parametrize("date", [None, "", "yesterday", http_date(NOON)])
def test_absent(date):
    """Without the header there is nothing to wait for."""
    assert parse_retry_after({"Date": date} if date else {}) is None
