"""What a client sees of a server, with nothing of the SDK in between."""

import json
from decimal import Decimal
from typing import Any

from aiohttp import ClientSession
from attrs import frozen
from yarl import URL

TELLING = {301: ("Location",), 405: ("Content-Type", "Allow")}  # headers that matter beside a status


@frozen
class Answer:
    status: int
    headers: dict[str, str | None]
    body: Any

    @property
    def ids(self) -> list[str]:
        return [customer["id"] for customer in self.body["results"]]


@frozen
class Server:
    """One of the two, as a client sees it."""

    http: ClientSession
    url: str
    token: str
    workspace: str

    async def ask(
        self, query: str = "", *, path: str = "/customers/", method: str = "GET", **headers: str | None
    ) -> Answer:
        """Send a query as it is written; a header given as None is left out."""
        usual = {"authorization": f"Token {self.token}", "x_simple_workspace": self.workspace}
        sent = {name.replace("_", "-"): text for name, text in (usual | headers).items() if text is not None}
        url = URL(f"{self.url}{path}{query and '?'}{query}", encoded=True)
        async with self.http.request(method, url, headers=sent, allow_redirects=False) as response:
            text = (await response.text()).replace(self.url, "")
            names = TELLING.get(response.status, ("Content-Type", "WWW-Authenticate", "Retry-After"))
            kept = {name: response.headers.get(name) for name in names}
            is_json = text and response.content_type == "application/json"
            body = json.loads(text, parse_float=Decimal) if is_json else None
            return Answer(response.status, kept, body)
