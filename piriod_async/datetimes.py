"""Datetimes of other classes: subclasses, as pandas, pendulum and freezegun have them, become standard ones.

msgspec and pyarrow take no subclass. Besides, two datetimes of one zone compare by wall clock, which is wrong in the
hour when clocks are set back; with a fixed offset they compare as the moments that they are.
"""

from datetime import datetime, timezone

# in a tuple: while time is frozen, freezegun replaces the class itself in all modules
DATETIME_TYPES = (datetime,)
AWARE = "an aware datetime (with tzinfo)"


def standard_datetime(value: datetime) -> datetime:
    """Return an aware datetime as one of the standard class, with a fixed offset from UTC.

    Raises:
        ValueError: The value is naive, not a time (`pandas.NaT`), or has nanoseconds. The message is what was expected.
    """
    try:
        offset = value.utcoffset()
        naive = offset is None
        if offset is not None and not getattr(value, "nanosecond", 0):
            return DATETIME_TYPES[0](
                value.year,
                value.month,
                value.day,
                value.hour,
                value.minute,
                value.second,
                value.microsecond,
                timezone(offset),
            )
    except Exception as error:  # any: a zone may be of any class
        raise ValueError("an aware datetime that exists") from error
    raise ValueError(AWARE if naive else "an aware datetime without nanoseconds")


def encode_datetime(value: object) -> datetime:
    """Return a datetime subclass as msgspec can encode it; for `enc_hook`.

    Raises:
        TypeError: The value is no datetime.
        ValueError: The datetime is naive, not a time, or has nanoseconds.
    """
    if isinstance(value, datetime):
        return standard_datetime(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
