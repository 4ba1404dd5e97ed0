"""Completeness over real sockets: a crawl of a list that moves skips and repeats no customer."""

from typing import TYPE_CHECKING

import pytest

from tests.support.moving_server import MOCK_SERVERS, REFERENCE_QUERIES, crawl_mock_server, crawl_reference, plain

if TYPE_CHECKING:
    from tests.contract.reference.server import Reference

pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", MOCK_SERVERS)
async def test_mock_server(name: str, seed: int) -> None:
    """A crawl is correct while the mock server mutates between and within requests."""
    report = await crawl_mock_server(name, seed=seed)
    assert report.is_correct, report
    assert report.customers > 800


@pytest.mark.parametrize(("seed", "name"), list(enumerate([*REFERENCE_QUERIES, *REFERENCE_QUERIES][:5])))
async def test_reference(name: str, seed: int, reference: "Reference") -> None:
    """A crawl is correct while a thread writes to Django REST Framework's database."""
    report = await crawl_reference(name, reference, seed=seed)
    assert report.is_correct, report
    assert report.customers > 800


@pytest.mark.parametrize("name", MOCK_SERVERS)
async def test_mock_server_defeats_plain_crawl(name: str) -> None:
    """A crawl by page numbers fails on the same mock servers, so the tests above can fail."""
    report = await crawl_mock_server(name, plain, seed=1)
    assert report.missed + report.repeated > 5


async def test_reference_defeats_plain_crawl(reference: "Reference") -> None:
    """A crawl by page numbers fails on the same reference server, within five tries."""
    for seed in range(5):
        report = await crawl_reference("framework", reference, plain, seed=seed)
        if report.missed or report.repeated:
            return
    pytest.fail("five plain crawls in a row were correct")
