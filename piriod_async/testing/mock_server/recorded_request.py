"""What a client asked for."""

from urllib.parse import parse_qsl

from aiohttp import web
from attrs import frozen


@frozen(kw_only=True)
class RecordedRequest:
    """One request, as it came in.

    Attributes:
        method: Such as ``GET``.
        path: Without the query.
        query: Decoded names and values, in the order they were sent.
        workspace: The ``x-simple-workspace`` header.
        test_mode: Whether it asked for test data.
        page: The page it asked for: 1 if it named none, None if that was no number.
        status: The status of the answer; 0 if the connection was cut before all of it was sent.
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
        """The query as a dict; of a name given twice the last value counts, as it does in Django."""
        return dict(self.query)

    @classmethod
    def read(cls, request: web.BaseRequest) -> "RecordedRequest":
        """Take down a request."""
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
