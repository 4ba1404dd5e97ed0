"""The guarantee, over real sockets: on lists that move, nobody is missed, nobody comes twice."""

from typing import TYPE_CHECKING

import pytest

from tests.support.moving_server import REFERENCES, SANDBOXES, crawl_reference, crawl_sandbox, plain

if TYPE_CHECKING:
    from tests.contract.reference.server import Reference

pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", SANDBOXES)
async def test_a_moving_sandbox(name, seed):
    verdict = await crawl_sandbox(name, seed=seed)
    assert verdict.right, verdict
    assert verdict.customers > 800


@pytest.mark.parametrize(("seed", "name"), list(enumerate([*REFERENCES, *REFERENCES][:5])))
async def test_the_framework_while_it_is_written(name, seed, reference: "Reference"):
    verdict = await crawl_reference(name, reference, seed=seed)
    assert verdict.right, verdict
    assert verdict.customers > 800


@pytest.mark.parametrize("name", SANDBOXES)
async def test_a_plain_crawl_of_a_moving_sandbox_is_wrong(name):
    verdict = await crawl_sandbox(name, plain, seed=1)
    assert verdict.missed + verdict.repeated > 5


async def test_a_plain_crawl_of_the_framework_while_it_is_written_is_wrong(reference: "Reference"):
    for seed in range(5):
        verdict = await crawl_reference("framework", reference, plain, seed=seed)
        if verdict.missed or verdict.repeated:
            return
    pytest.fail("five plain crawls in a row were right")
