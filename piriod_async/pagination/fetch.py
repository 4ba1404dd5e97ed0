"""Fetching a page, and checking that the server did as it was asked."""

from collections.abc import Awaitable
from typing import Protocol

from piriod_async.errors import IncompleteListError
from piriod_async.pagination.cursor import require_created
from piriod_async.pagination.raw_page import RawPage
from piriod_async.pagination.time_range import TimeRange


class Fetch(Protocol):
    """Requests a page by its number and size, of the customers created in a range."""

    def __call__(
        self, number: int, size: int, created_range: TimeRange, /, *, backwards: bool = False
    ) -> Awaitable[RawPage]:
        """Request a page in the order of the listing, or backwards."""
        ...


async def fetch_checked(
    fetch: Fetch, number: int, size: int, created_range: TimeRange, *, descending: bool, backwards: bool = False
) -> RawPage:
    """Request a page, and check it as `check_server_behaviour` does."""
    page = await fetch(number, size, created_range, backwards=backwards)
    check_server_behaviour(page, created_range, descending=descending != backwards)
    return page


def check_server_behaviour(page: RawPage, created_range: TimeRange, *, descending: bool) -> None:
    """Check that a page is in order and within the range that was asked for.

    Raises:
        IncompleteListError: The server ignored the ordering or the range.
    """
    previous = None
    for key in page.keys:
        created = require_created(key)
        if previous and (created > previous if descending else created < previous):
            ignored = "order by `created`"
        elif created_range.excludes(created):
            ignored = "filter by `created`"
        else:
            previous = created
            continue
        raise IncompleteListError(
            f"the server does not {ignored} (customer {key.id}, {created.isoformat()}): list with ordering=None"
        )
