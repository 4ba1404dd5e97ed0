"""A client that sends queries as they are written and reports what came back, without this library in between."""

import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from decimal import Decimal
from typing import Any

from aiohttp import ClientResponse, ClientSession
from attrs import frozen
from yarl import URL

from piriod_async.testing import MockServer

# the headers to compare, where they are not those of a list
HEADERS = {301: ("Location",)}


@frozen
class Response:
    """A response without what differs between servers: its URL, and headers that do not matter."""

    status: int
    headers: dict[str, str | None]
    body: Any

    @property
    def ids(self) -> list[str]:
        return [customer["id"] for customer in self.body["results"]]


@frozen
class RawClient:
    """A client of one server."""

    http: ClientSession
    url: str
    token: str
    workspace: str

    def send(
        self, query: str = "", *, path: str = "/customers/", method: str = "GET", **headers: str | None
    ) -> AbstractAsyncContextManager[ClientResponse]:
        """Send a request. A header given as None is left out."""
        defaults = {"authorization": f"Token {self.token}", "x_simple_workspace": self.workspace}
        sent = {name.replace("_", "-"): text for name, text in (defaults | headers).items() if text is not None}
        url = URL(f"{self.url}{path}{query and '?'}{query}", encoded=True)
        return self.http.request(method, url, headers=sent, allow_redirects=False)

    async def fetch(self, query: str = "", **options: Any) -> Response:
        """Send a request and read its response."""
        async with self.send(query, **options) as response:
            text = (await response.text()).replace(self.url, "")
            names = HEADERS.get(response.status, ("Allow", "Content-Type", "WWW-Authenticate", "Retry-After"))
            headers = {name: response.headers.get(name) for name in names}
            is_json = text and response.content_type == "application/json"
            body = json.loads(text, parse_float=Decimal) if is_json else None
            return Response(response.status, headers, body)

    async def page(self, query: str = "", **options: Any) -> dict[str, Any]:
        """Fetch a page that exists."""
        response = await self.fetch(query, **options)
        assert response.status == 200, response
        body: dict[str, Any] = response.body
        return body

    async def ids(self, query: str = "", **options: Any) -> list[str]:
        """Fetch the ids of a page that exists."""
        return [customer["id"] for customer in (await self.page(query, **options))["results"]]


@asynccontextmanager
async def serve(*args: Any, **options: Any) -> AsyncIterator[tuple[MockServer, RawClient]]:
    """Start a mock server, with a client for it."""
    async with MockServer(*args, **options) as server, ClientSession() as http:
        yield server, RawClient(http, server.url, server.token, server.workspace)
