"""Rate limiting."""

from typing import TYPE_CHECKING

import pytest
from aiohttp import ClientSession

from piriod_async.testing import MockServer
from tests.support.raw_client import RawClient, Response

if TYPE_CHECKING:
    from tests.contract.reference.server import Reference

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def exceed(client: RawClient) -> Response:
    """Send one request more than the two that are allowed."""
    assert [(await client.fetch()).status for _ in range(2)] == [200, 200]
    assert (await client.fetch(authorization=None)).status == 401  # not counted
    return await client.fetch()


async def test_throttled(http: ClientSession, clients: dict[str, RawClient], reference_server: "Reference") -> None:
    """The third request in a second is a 429 with the same body and `Retry-After` from both servers."""
    reference_server.rate_limit("2/s")
    framework = await exceed(clients["framework"])
    reference_server.rate_limit(None)
    async with MockServer(customers=3) as server:
        server.rate_limit(rate=2)
        mock = await exceed(RawClient(http, server.url, server.token, server.workspace))
    assert (framework.status, framework.headers["Retry-After"]) == (429, "1")
    assert framework.body == {"detail": "Request was throttled. Expected available in 1 second."}
    assert mock == framework
