"""What every client is told: whom to ask, and for how many at once."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from attrs import frozen

PAGE_SIZE = 100


@frozen
class Target:
    """A list of customers on a server.

    Attributes:
        url: Where the server is.
        workspace: Which list; the server of prepared bytes reads size and delay from it.
        token: The API token.
        concurrency: Requests under way at once, for the clients that can do several.
    """

    url: str
    workspace: str
    token: str = "t0ken"
    concurrency: int = 8

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Token {self.token}", "x-simple-workspace": self.workspace}

    def params(self, page: int) -> dict[str, str | int]:
        return {"ordering": "created", "page": page, "page_size": PAGE_SIZE}


Client: TypeAlias = Callable[[Target], Awaitable[int]]
"""Reads the whole list once, and says how many customers came."""
