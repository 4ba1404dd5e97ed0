"""The requests that a test can look at afterwards."""

from urllib.parse import parse_qsl

from aiohttp import web
from attrs import frozen


@frozen(kw_only=True)
class RecordedRequest:
    """A request as the mock server received it.

    Attributes:
        method: HTTP method, such as `GET`.
        path: Path without the query.
        query: Decoded names and values, in the order sent.
        workspace: The `x-simple-workspace` header.
        test_mode: Whether the request asked for test data.
        page: Requested page: 1 if the query has no page, None if it is not a number.
        status: Status of the response; 0 if the connection was closed before a response was complete.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    workspace: str | None
    test_mode: bool
    page: int | None
    status: int = 0

    @property
    def params(self) -> dict[str, str]:
        """The query as a dict. Of a repeated name the last value counts, as in Django."""
        return dict(self.query)

    @classmethod
    def from_aiohttp(cls, request: web.BaseRequest) -> "RecordedRequest":
        """Record an aiohttp request."""
        query = tuple(parse_qsl(request.rel_url.raw_query_string, keep_blank_values=True))
        page = dict(query).get("page") or "1"
        return cls(
            method=request.method,
            path=request.path,
            query=query,
            workspace=request.headers.get("x-simple-workspace"),
            test_mode=request.headers.get("x-piriod-test-mode", "").lower() == "true",
            page=int(page) if page.isdecimal() else None,
        )
