"""The README's examples, as a user would run them."""

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

from piriod_async.testing.mock_server import MockServer

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
CONFTEST, TEST = (example for example in EXAMPLES if "import " not in example)
PROGRAMS = [example for example in EXAMPLES if example not in (CONFTEST, TEST)]
SERVICE = """
from piriod_async import PiriodSession

async def sync():
    async with PiriodSession.from_env() as piriod:
        return len(await piriod.customers().collect())
"""


@pytest.mark.parametrize("program", PROGRAMS, ids=range(len(PROGRAMS)))
async def test_program(program, tmp_path):
    async with MockServer({"acc_1": 250, "acc_2": 30}) as server:
        env = {"PIRIOD_TOKEN": server.token, "PIRIOD_WORKSPACE": "acc_1", "PIRIOD_BASE_URL": server.url}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-W", "error", "-c", program, env=os.environ | env, cwd=tmp_path
        )
        assert await process.wait() == 0


def test_fixture(pytester: pytest.Pytester):
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(my_service=SERVICE, test_sync=f"import my_service\n\n{TEST}")
    options = ["-o", "asyncio_mode=auto", "-p", "no:xdist", "-p", "no:cacheprovider"]
    pytester.runpytest_subprocess(*options).assert_outcomes(passed=1)


def test_there_are_examples():
    assert len(PROGRAMS) >= 8
    assert all("asyncio.run(" in program or "web.Application()" in program for program in PROGRAMS)


def test_pictures_and_links_are_there():
    targets = re.findall(r"\]\(([^)#]+)\)", README)
    for target in targets:
        assert target.startswith("https://") or (ROOT / target).exists(), target
    sections = {
        re.sub(r"[^\w -]", "", title).lower().replace(" ", "-")
        for title in re.findall(r"^## (.+)$", README, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", README)) <= sections
