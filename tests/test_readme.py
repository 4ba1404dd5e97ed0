"""The README's examples, run as a user would run them."""

import asyncio
import re
import shlex
import sqlite3
import sys
from contextlib import asynccontextmanager, closing
from pathlib import Path
from textwrap import indent

import httpx
import pytest

import piriod_async
from piriod_async import APIConnectionError, PiriodSession, export
from piriod_async.testing import MockServer, no_backoff

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
[PROGRAM] = [example for example in EXAMPLES if "asyncio.run(" in example]
[APPLICATION] = [example for example in EXAMPLES if "web.Application(" in example]
[LIFESPAN] = [example for example in EXAMPLES if "def lifespan(" in example]
[TEST] = [example for example in EXAMPLES if "async def test_" in example]
[CLUSTER] = [example for example in EXAMPLES if "client=client" in example]
FRAGMENTS = [example for example in EXAMPLES if example not in (PROGRAM, APPLICATION, LIFESPAN, TEST, CLUSTER)]
COMMANDS = re.findall(r"^piriod-async .+$", README, re.MULTILINE)
CONFTEST = re.search(r"`(pytest_plugins\s.+?)`", README, re.DOTALL)[1].replace("\n", " ")
SERVICE = """
from piriod_async import PiriodSession

async def sync():
    async with PiriodSession.from_env() as piriod:
        return len(await piriod.customers().collect())
"""
ACCOUNTS = """
[[accounts]]
workspaces = ["acc_1", "acc_2"]
token_variable = "PIRIOD_TOKEN"
"""


@pytest.fixture
async def server(monkeypatch, tmp_path):
    """A mock server with two workspaces, which the environment points to."""
    monkeypatch.chdir(tmp_path)
    async with MockServer({"acc_1": 250, "acc_2": 30}) as server:
        monkeypatch.setenv("PIRIOD_BASE_URL", server.url)
        monkeypatch.setenv("PIRIOD_TOKEN", server.token)
        monkeypatch.setenv("PIRIOD_WORKSPACE", "acc_1")
        (tmp_path / "accounts.toml").write_text(ACCOUNTS)
        yield server


async def run_python(*arguments):
    """Run Python in a process of its own, beside the event loop's mock server; return exit code and output."""
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    return process.returncode, output.decode()


@pytest.mark.usefixtures("server")
async def test_program():
    """The program exits with 0 and without a warning."""
    code, output = await run_python("-W", "error", "-c", PROGRAM)
    assert code == 0
    assert output.startswith("cus_")


@pytest.mark.parametrize("fragment", FRAGMENTS, ids=range(len(FRAGMENTS)))
async def test_fragment(fragment, server):
    """A fragment runs where the names that the text speaks of exist."""
    import pandas as pd  # noqa: PLC0415 (with polars, they take long to import)
    import polars as pl  # noqa: PLC0415

    async with server.session() as piriod:
        names = {name: getattr(piriod_async, name) for name in piriod_async.__all__}
        names |= {"Path": Path, "export": export, "pd": pd, "pl": pl, "piriod": piriod}
        names |= {"customer": await piriod.customers().first(), "fetch_token": lambda: server.token}
        exec(f"async def run_fragment():\n{indent(fragment, '    ')}", names)
        with no_backoff():
            await names["run_fragment"]()


@pytest.mark.usefixtures("server")
async def test_fastapi():
    """The lifespan opens a session that handlers use, and closes it."""
    from fastapi import FastAPI, Request  # noqa: PLC0415

    names = {"asynccontextmanager": asynccontextmanager, "FastAPI": FastAPI, "PiriodSession": PiriodSession}
    exec(LIFESPAN, names)
    app = FastAPI(lifespan=names["lifespan"])

    @app.get("/find")
    async def find(tax_id: str, request: Request):
        return (await request.app.state.piriod.customers(tax_id=tax_id).one_or_none()).to_dict()

    async with app.router.lifespan_context(app):
        customer = await app.state.piriod.customers().first()
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as client:
            response = await client.get("/find", params={"tax_id": customer.tax_id})
        assert response.json() == customer.to_dict()
    with pytest.raises(APIConnectionError, match="the session is closed"):
        await app.state.piriod.check()


async def test_cluster(server, monkeypatch):
    """The workers of a cluster write a dataset of all customers."""
    import polars as pl  # noqa: PLC0415
    from distributed import Client, LocalCluster  # noqa: PLC0415

    def run():
        with (
            LocalCluster(n_workers=1, processes=False, threads_per_worker=1, dashboard_address=":0") as cluster,
            Client(cluster) as client,
        ):
            exec(CLUSTER, {"client": client})

    for name in ("TOKEN_A", "TOKEN_B"):
        monkeypatch.setenv(name, server.token)
    await asyncio.to_thread(run)
    assert pl.read_parquet("lake/**/*.parquet").height == 280


@pytest.mark.usefixtures("server")
async def test_commands():
    """The command lines succeed, one after the other in one folder."""
    assert len(COMMANDS) == 5
    for command in COMMANDS:
        arguments = shlex.split(command, comments=True)[1:]
        code, output = await run_python("-m", "piriod_async", *arguments)
        assert code == 0, command
        if arguments[0] == "sync":
            assert output.startswith(re.search(r"# (run 1: .+)", command)[1])


@pytest.mark.usefixtures("server")
async def test_sql():
    """The query runs on the mirror that the command before it makes."""
    [command] = [command for command in COMMANDS if " sync " in command]
    await run_python("-m", "piriod_async", *shlex.split(command, comments=True)[1:])
    [sql] = re.findall(r'^sqlite3 customers.db "(.+?)"', README, re.MULTILINE)
    with closing(sqlite3.connect("customers.db")) as connection:
        rows = connection.execute(sql).fetchall()
    assert len(rows) > 100
    assert all(isinstance(name, str) and isinstance(balance, float) for name, balance in rows)


def test_pytest_plugin(pytester):
    """The conftest line and the test work in a user's project."""
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(my_service=SERVICE, test_sync=f"import my_service\n\n{TEST}")
    options = ["-o", "asyncio_mode=auto", "-p", "no:xdist", "-p", "no:cacheprovider"]
    pytester.runpytest_subprocess(*options).assert_outcomes(passed=1)


def test_size():
    """The README stays short enough to be read."""
    assert len(README.splitlines()) <= 250
    assert len(FRAGMENTS) >= 6


def test_links():
    """Every picture, file and section that the README links to exists."""
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("https://") or (ROOT / target).exists(), target
    titles = re.findall(r"^## (.+)$", README, re.MULTILINE)
    sections = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}
    assert set(re.findall(r"\]\(#([^)]+)\)", README)) <= sections
