"""The README's examples, as a user would run them."""

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

from piriod_async.sandbox import Sandbox

README = (Path(__file__).parent.parent / "README.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
async def test_example(example, tmp_path):
    async with Sandbox({"acc_1": 250, "acc_2": 30}) as sandbox:
        env = {"PIRIOD_TOKEN": sandbox.token, "PIRIOD_WORKSPACE": "acc_1", "PIRIOD_BASE_URL": sandbox.url}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-W", "error", "-c", example, env=os.environ | env, cwd=tmp_path
        )
        assert await process.wait() == 0


def test_there_are_examples():
    assert len(EXAMPLES) >= 5
