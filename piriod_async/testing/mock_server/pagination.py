"""One page of a list, by the rules of REST Framework's PageNumberPagination."""

from collections.abc import Mapping
from math import ceil
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

from attrs import frozen

from piriod_async.testing.mock_server.response import Refusal

DEFAULT_SIZE = 20
LARGEST_SIZE = 100


@frozen
class Slice:
    """Where in the list a page is.

    Attributes:
        number: The page, 1 for the first.
        pages: How many there are, 1 for an empty list.
        start: Index of its first row.
        stop: Index after its last row, never beyond the count.
    """

    number: int
    pages: int
    start: int
    stop: int

    @classmethod
    def of(cls, params: Mapping[str, str], count: int) -> "Slice":
        """The page a query asks for in a list of ``count`` customers.

        Raises:
            Refusal: 404 if there is no such page.
        """
        size = _size(params.get("page_size", ""))
        pages = max(ceil(count / size), 1)
        page = params.get("page") or "1"
        try:
            number = pages if page == "last" else int(page)
        except ValueError:
            number = 0
        if not 1 <= number <= pages:
            raise Refusal(404, "Invalid page.")
        return cls(number, pages, start=(number - 1) * size, stop=min(number * size, count))

    def next(self, url: str) -> str | None:
        """The link to the page after this one."""
        return _link(url, self.number + 1) if self.number < self.pages else None

    def previous(self, url: str) -> str | None:
        """The link to the page before this one."""
        return _link(url, self.number - 1) if self.number > 1 else None


def _size(text: str) -> int:
    try:
        size = int(text)
    except ValueError:
        return DEFAULT_SIZE
    return min(size, LARGEST_SIZE) if size > 0 else DEFAULT_SIZE


def _link(url: str, page: int) -> str:
    parts = urlsplit(url)
    query = parse_qs(parts.query, keep_blank_values=True)
    query["page"] = [str(page)]
    if page == 1:
        del query["page"]
    return urlunsplit(parts._replace(query=urlencode(sorted(query.items()), doseq=True)))
