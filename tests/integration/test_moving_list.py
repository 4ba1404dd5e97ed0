"""The guarantee, over real sockets: on lists that move, nobody is missed, nobody comes twice."""

from typing import TYPE_CHECKING

import pytest

from tests.support.moving_server import MOCK_SERVERS, REFERENCE_QUERIES, crawl_mock_server, crawl_reference, plain

if TYPE_CHECKING:
    from tests.contract.reference.server import Reference

pytestmark = pytest.mark.usefixtures("tidy")


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", MOCK_SERVERS)
async def test_a_moving_sandbox(name, seed):
    verdict = await crawl_mock_server(name, seed=seed)
    assert verdict.is_correct, verdict
    assert verdict.customers > 800


@pytest.mark.parametrize(("seed", "name"), list(enumerate([*REFERENCE_QUERIES, *REFERENCE_QUERIES][:5])))
async def test_the_framework_while_it_is_written(name, seed, reference: "Reference"):
    verdict = await crawl_reference(name, reference, seed=seed)
    assert verdict.is_correct, verdict
    assert verdict.customers > 800


@pytest.mark.parametrize("name", MOCK_SERVERS)
async def test_a_plain_crawl_of_a_moving_sandbox_is_wrong(name):
    verdict = await crawl_mock_server(name, plain, seed=1)
    assert verdict.missed + verdict.repeated > 5


async def test_a_plain_crawl_of_the_framework_while_it_is_written_is_wrong(reference: "Reference"):
    for seed in range(5):
        verdict = await crawl_reference("framework", reference, plain, seed=seed)
        if verdict.missed or verdict.repeated:
            return
    pytest.fail("five plain crawls in a row were right")
