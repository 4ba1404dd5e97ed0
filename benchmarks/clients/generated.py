"""Clients generated from the API's contract by openapi-python-client and openapi-generator; eight requests at a time.

python -m benchmarks.clients.generated      # generate both, into the ignored folder .generated/
"""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable
from importlib import import_module
from math import ceil
from pathlib import Path
from typing import Any

from benchmarks.clients.config import PAGE_SIZE, ClientConfig
from benchmarks.processes import ROOT

CONTRACT = str(ROOT / "tests" / "contract" / "openapi.yaml")
GENERATED = Path(__file__).parent / ".generated"
SCRIPTS = Path(sys.executable).parent
COMMANDS = {
    "openapi-python-client": [
        *("openapi-python-client", "generate", "--path", CONTRACT, "--meta", "none", "--overwrite"),
        *("--output-path", str(GENERATED / "python_client")),
    ],
    "openapi-generator": [
        *("openapi-generator-cli", "generate", "-i", CONTRACT, "-g", "python"),
        *("--library", "asyncio", "--package-name", "generator_client", "-o", str(GENERATED)),
    ],
}


def generate_all() -> dict[str, str]:
    """Generate the clients anew.

    Returns:
        The clients that could not be generated, each with the reason.
    """
    shutil.rmtree(GENERATED, ignore_errors=True)
    GENERATED.mkdir()
    return {name: reason for name in COMMANDS if (reason := _generate(name))}


def _generate(name: str) -> str | None:
    tool, *arguments = COMMANDS[name]
    command = shutil.which(tool, path=SCRIPTS)
    if command is None:
        return f"{tool} is not installed"
    env = os.environ | {"PATH": f"{SCRIPTS}:{os.environ['PATH']}"}  # openapi-python-client runs ruff
    done = subprocess.run([command, *arguments], capture_output=True, text=True, check=False, env=env)
    return None if done.returncode == 0 else f"{tool} failed: {(done.stderr or done.stdout)[-300:]}"


async def python_client(config: ClientConfig) -> int:
    """The client that openapi-python-client makes: httpx and attrs."""
    list_customers = _import("python_client.api.billing.get_customers").asyncio
    authenticated = _import("python_client").AuthenticatedClient(
        base_url=config.base_url, token=config.token, prefix="Token", timeout=_import("httpx").Timeout(300)
    )
    async with authenticated as client:

        async def fetch(number: int) -> Any:
            return await list_customers(
                client=client, x_simple_workspace=config.workspace, page=number, page_size=PAGE_SIZE, ordering="created"
            )

        return await _read_concurrently(fetch, config.concurrency)


async def openapi_generator(config: ClientConfig) -> int:
    """The client that openapi-generator makes with its library `asyncio`: aiohttp and pydantic."""
    module = _import("generator_client")
    configuration = module.Configuration(
        host=config.base_url, api_key={"TokenAuth": config.token}, api_key_prefix={"TokenAuth": "Token"}
    )
    async with module.ApiClient(configuration) as client:
        api = module.BillingApi(client)

        async def fetch(number: int) -> Any:
            return await api.customers_get(
                x_simple_workspace=config.workspace, page=number, page_size=PAGE_SIZE, ordering="created"
            )

        return await _read_concurrently(fetch, config.concurrency)


def _import(name: str) -> Any:
    if str(GENERATED) not in sys.path:
        sys.path.append(str(GENERATED))
    return import_module(name)


async def _read_concurrently(fetch: Callable[[int], Awaitable[Any]], concurrency: int) -> int:
    """Read page 1 for the count, then the other pages concurrently."""
    permits = asyncio.Semaphore(concurrency)

    async def count_page(number: int) -> int:
        async with permits:
            return len((await fetch(number)).results)

    first = await fetch(1)
    counts = await asyncio.gather(*map(count_page, range(2, ceil(first.count / PAGE_SIZE) + 1)))
    return len(first.results) + sum(counts)


if __name__ == "__main__":
    print(generate_all() or f"generated in {GENERATED}")
