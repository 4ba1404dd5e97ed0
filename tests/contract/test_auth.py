"""Credentials, methods and paths."""

import pytest

from tests.support.raw_client import RawClient

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(
    ("headers", "status", "body"),
    [
        ({"authorization": None}, 401, {"detail": "Authentication credentials were not provided."}),
        ({"authorization": "Token wrong"}, 401, {"detail": "Invalid token."}),
        ({"x_simple_workspace": "acc_no"}, 403, {"detail": "You do not have permission to perform this action."}),
        ({"x_simple_workspace": None}, 400, {"non_field_errors": ["x-simple-workspace header is required."]}),
    ],
)
async def test_credentials(client: RawClient, headers: dict[str, str | None], status: int, body: object) -> None:
    """A missing or wrong token is a 401, a missing workspace a 400, an unknown one a 403."""
    response = await client.fetch(**headers)
    assert (response.status, response.body) == (status, body)
    assert response.headers["WWW-Authenticate"] == ("Token" if status == 401 else None)


async def test_method(client: RawClient) -> None:
    """The list is read-only."""
    response = await client.fetch(method="POST")
    assert (response.status, response.body) == (405, {"detail": 'Method "POST" not allowed.'})


async def test_options(client: RawClient) -> None:
    """OPTIONS describes the list."""
    response = await client.fetch(method="OPTIONS")
    assert (response.status, response.headers["Allow"]) == (200, "GET, HEAD, OPTIONS")
    assert response.body["renders"] == response.body["parses"] == ["application/json"]


async def test_missing_slash(client: RawClient) -> None:
    """A path without its slash is redirected, with its query."""
    response = await client.fetch("page=2&name=%C3%91+%26", path="/customers")
    assert (response.status, response.headers["Location"]) == (301, "/customers/?page=2&name=%C3%91+%26")


@pytest.mark.parametrize("path", ["/", "/nothing/", "/nothing", "/customers/cus_odd/", "/customers//"])
async def test_other_path(client: RawClient, path: str) -> None:
    """There is nothing but the list."""
    assert (await client.fetch(path=path)).status == 404
