"""The result of a health check."""

from datetime import datetime, timedelta

from attrs import frozen

from piriod_async.models import Page
from piriod_async.transport.header_values import parse_http_date


@frozen(kw_only=True)
class AccessReport:
    """The API can be reached, and the token may read the workspace.

    Attributes:
        workspace: Id of the workspace.
        test_mode: Whether its test data was read.
        customers: Number of customers in it.
        latency: Seconds from sending the request to the last byte of the response, without retries and waiting.
        server_date: When the server made the response, to the second, by its own clock; None if it did not say.
        clock_offset: Seconds by which the server's clock is ahead of ours, negative if it is behind; exact to about
            half a second and half the latency. None if `server_date` is.
    """

    workspace: str
    test_mode: bool
    customers: int
    latency: float
    server_date: datetime | None
    clock_offset: float | None


def make_report(page: Page, received: datetime, *, workspace: str, test_mode: bool) -> AccessReport:
    """Return the report on a page.

    Args:
        page: The page, as it was received.
        received: When it was received.
        workspace: The workspace that was read.
        test_mode: Whether its test data was read.
    """
    response = page.response
    assert response  # noqa: S101 (it was received)
    date, offset = parse_http_date(response.headers.get("Date", "")), None
    if date:
        made = received - timedelta(seconds=response.seconds / 2)
        offset = (date + timedelta(seconds=0.5) - made).total_seconds()  # the date is cut to the second
    return AccessReport(
        workspace=workspace,
        test_mode=test_mode,
        customers=page.count,
        latency=response.seconds,
        server_date=date,
        clock_offset=offset,
    )
