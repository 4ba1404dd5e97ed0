"""The configuration of a client: a list to read, and how many requests may be pending."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from attrs import frozen

PAGE_SIZE = 100


@frozen
class ClientConfig:
    """Where a list is, and how to read it.

    Attributes:
        base_url: Address of the server.
        workspace: Workspace to list. The static server reads its size and latency from this.
        token: API token.
        concurrency: Requests that may be pending at once.
    """

    base_url: str
    workspace: str
    token: str = "t0ken"
    concurrency: int = 8

    @property
    def headers(self) -> dict[str, str]:
        """Headers of every request."""
        return {"Authorization": f"Token {self.token}", "x-simple-workspace": self.workspace}

    def params(self, page: int) -> dict[str, str | int]:
        """Query parameters of one page."""
        return {"ordering": "created", "page": page, "page_size": PAGE_SIZE}


Client: TypeAlias = Callable[[ClientConfig], Awaitable[int]]
"""Reads the complete list once and returns how many customers it got."""
