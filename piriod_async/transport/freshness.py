"""Notices responses from a cache, which show the list as it was.

Every request asks for none (`Cache-Control: no-cache`), but a proxy may ignore that. Caches add `Age`. `Date` would
show the age too, but only to a client whose clock agrees with the server's, so it is not used.

Source: RFC 9111, 5.1 and 5.2.1.4.
"""

from collections.abc import Mapping

from piriod_async.transport.header_values import parse_seconds

NO_CACHE = {"Cache-Control": "no-cache"}  # `Pragma` is for caches older than HTTP/1.1
MAX_AGE = 5.0  # seconds


def excessive_age(headers: Mapping[str, str]) -> float | None:
    """Return how old a response from a cache is, in seconds; None if it is of this moment, or does not say.

    Args:
        headers: The response's headers. Of several values of `Age` the first counts, and a malformed one is ignored.
    """
    value = headers.get("Age")
    if value is None:
        return None
    age = parse_seconds(value.partition(",")[0])
    return age if age is not None and age > MAX_AGE else None
