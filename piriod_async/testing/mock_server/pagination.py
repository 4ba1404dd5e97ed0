"""One page of the list, by the rules of REST Framework's `PageNumberPagination`."""

from collections.abc import Mapping
from math import ceil
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

from attrs import frozen

from piriod_async.testing.mock_server.response import APIException

DEFAULT_PAGE_SIZE = 20
MAX_PAGE_SIZE = 100


@frozen
class PageSlice:
    """The part of the list that a page covers.

    Attributes:
        number: Page number, from 1.
        pages: Number of pages; 1 for an empty list.
        start: Index of the first customer.
        stop: Index after the last customer, at most the count.
    """

    number: int
    pages: int
    start: int
    stop: int

    @classmethod
    def from_params(cls, params: Mapping[str, str], count: int) -> "PageSlice":
        """Find the page that a query requests in a list of `count` customers.

        Raises:
            APIException: 404 if the page does not exist.
        """
        size = _page_size(params.get("page_size", ""))
        pages = max(ceil(count / size), 1)
        page = params.get("page") or "1"
        try:
            number = pages if page == "last" else int(page)
        except ValueError:
            number = 0
        if not 1 <= number <= pages:
            raise APIException(404, "Invalid page.")
        return cls(number, pages, start=(number - 1) * size, stop=min(number * size, count))

    def next_url(self, url: str) -> str | None:
        """Return the URL of the next page, given the URL of this one."""
        return _with_page(url, self.number + 1) if self.number < self.pages else None

    def previous_url(self, url: str) -> str | None:
        """Return the URL of the previous page, given the URL of this one."""
        return _with_page(url, self.number - 1) if self.number > 1 else None


def _page_size(text: str) -> int:
    try:
        size = int(text)
    except ValueError:
        return DEFAULT_PAGE_SIZE
    return min(size, MAX_PAGE_SIZE) if size > 0 else DEFAULT_PAGE_SIZE


def _with_page(url: str, page: int) -> str:
    parts = urlsplit(url)
    query = parse_qs(parts.query, keep_blank_values=True)
    query["page"] = [str(page)]
    if page == 1:
        del query["page"]
    return urlunsplit(parts._replace(query=urlencode(sorted(query.items()), doseq=True)))
