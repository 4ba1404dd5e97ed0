"""Which customers a query asks for, by the rules of django-filter."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from piriod_async.testing.mock_server.countries import COUNTRIES
from piriod_async.testing.mock_server.record import BY_CREATED, Row
from piriod_async.testing.mock_server.response import Refusal

METADATA: Final = "metadata__"
SERVER_ZONE: Final = ZoneInfo("America/Santiago")

Test = Callable[[Row], bool]

_SINGLE_DIGIT = re.compile(r"(?<=-)\d(?=[-T ])|(?<=[T ])\d(?=:)")


def filtered(rows: Sequence[Row], params: Mapping[str, str]) -> Sequence[Row]:
    """The rows that pass every filter; empty values and unknown names filter nothing.

    Args:
        rows: In the order of ``created``.
        params: The query parameters.

    Raises:
        Refusal: 400 with a map of field to messages.
    """
    bounds: dict[str, datetime] = {}
    tests: list[Test] = []
    errors: dict[str, list[str]] = {}
    for name, value in params.items():
        text = value.strip()
        try:
            if value and name in ("created__gte", "created__lte"):
                bounds[name] = _moment(text)
            elif value and (test := _test(name, text)):
                _check(name, value)
                if text:
                    tests.append(test)
        except ValueError as error:
            errors[name] = [str(error)]
    if errors:
        raise Refusal(400, errors)

    start = bisect_left(rows, bounds["created__gte"], key=BY_CREATED) if "created__gte" in bounds else 0
    stop = bisect_right(rows, bounds["created__lte"], key=BY_CREATED) if "created__lte" in bounds else len(rows)
    rows = rows[start:stop]
    for test in tests:
        rows = [row for row in rows if test(row)]
    return rows


def _test(name: str, text: str) -> Test | None:
    """What a filter asks of a row; None if there is no such filter."""
    key = name.removeprefix(METADATA)
    if key not in (name, ""):
        return lambda row: row.metadata.get(key) == text
    lowered = text.lower()
    tests: dict[str, Test] = {
        "country": lambda row: row.country == text,
        "email": lambda row: row.text("email").lower() == lowered,
        "name": lambda row: lowered in row.text("name").lower(),
        "tax_id": lambda row: row.text("tax_id") == text,
        "subscriptions": lambda row: text in row.subscriptions,
        "sources": lambda row: text in row.sources,
    }
    return tests.get(name)


def _check(name: str, value: str) -> None:
    if "\0" in value:
        raise ValueError("Null characters are not allowed.")
    if name == "country" and value not in COUNTRIES:
        raise ValueError("Select a valid choice. That choice is not one of the available choices.")


def _moment(text: str) -> datetime:
    """A date-time; without a zone, or without a time, it is one in the server's zone."""
    try:
        moment = datetime.fromisoformat(_SINGLE_DIGIT.sub(r"0\g<0>", text))  # Django reads 2026-1-5T8:00 as well
    except ValueError:
        raise ValueError("Enter a valid date/time.") from None
    if moment.tzinfo:
        return moment
    local = moment.replace(tzinfo=SERVER_ZONE)
    if local.utcoffset() != local.replace(fold=1).utcoffset():  # the clocks are changed in this hour
        zone = f"in time zone {SERVER_ZONE}; it may be ambiguous or it may not exist."
        raise ValueError(f"{moment} couldn’t be interpreted {zone}")  # noqa: RUF001
    return local
