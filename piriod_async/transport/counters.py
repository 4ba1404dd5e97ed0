"""Counts requests."""

from attrs import define


@define(eq=False)
class RequestCounters:
    """Requests and bytes of a session, or of one iteration of a listing.

    Attributes:
        requests: Attempts sent.
        retries: Attempts sent that were not the first of their request.
        bytes_received: Bytes of the pages received, after decompression.
    """

    requests: int = 0
    retries: int = 0
    bytes_received: int = 0
