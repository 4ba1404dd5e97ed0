"""Both servers against the API's contract, as schemathesis understands it."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from attrs import evolve
from yarl import URL

from tests.contract.deviations import DEVIATIONS, Deviation, contract
from tests.support.raw_client import RawClient

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def run_schemathesis(client: RawClient, folder: Path, *options: str) -> dict[str, Any]:
    """Test a server with generated requests, the same ones each time, and return the report."""
    schema, report = folder / "openapi.json", folder / "report.json"
    schema.write_text(json.dumps(contract(*DEVIATIONS)), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "--no-color", "run", str(schema), "--url", client.url),
        *("--header", f"Authorization: Token {client.token}", "--header", f"x-simple-workspace: {client.workspace}"),
        *("--checks", "all", "--generation-deterministic", "--report-json-path", str(report), *options),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=folder,
        env=os.environ | {"PYTHONUTF8": "1"},
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    result: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    return result


async def test_conforms(client: RawClient, tmp_path: Path) -> None:
    """Statuses, headers and bodies are as documented; requests are accepted and rejected as documented."""
    report = await run_schemathesis(client, tmp_path, "--continue-on-failure", "--max-examples", "50")
    assert report["test_cases"]["generated"] > 100
    assert not any(report["warnings"].values()), report["warnings"]


async def test_unknown_workspace(clients: dict[str, RawClient], tmp_path: Path) -> None:
    """Requests for an unknown workspace are forbidden, as documented."""
    unknown = evolve(clients["mock"], workspace="acc_unknown")
    report = await run_schemathesis(unknown, tmp_path, "--phases", "fuzzing", "--mode", "positive", "-n", "5")
    assert report["warnings"]["missing_auth"] == ["GET /customers/"]


@pytest.mark.parametrize("deviation", DEVIATIONS, ids=lambda deviation: deviation.reason)
async def test_deviation(client: RawClient, deviation: Deviation) -> None:
    """The response to the example contradicts the contract, unless it is amended by this very deviation."""
    headers = {name: value for name, value in deviation.example.items() if name.startswith("x-")}
    query = {name: value for name, value in deviation.example.items() if name not in headers}
    response = await client.fetch(URL.build(query=query).raw_query_string, **headers)
    assert str(response.status) == deviation.status
    assert documents(contract(*DEVIATIONS), deviation)
    assert not documents(contract(*(other for other in DEVIATIONS if other is not deviation)), deviation)


def documents(document: dict[str, Any], deviation: Deviation) -> bool:
    """Return whether a contract has the status of a deviation's example, and accepts the example if the API does."""
    operation = document["paths"]["/customers/"]["get"]
    is_valid = all(
        jsonschema_rs.is_valid(parameter["schema"], deviation.example[parameter["name"]], validate_formats=True)
        for parameter in operation["parameters"]
        if parameter["name"] in deviation.example
    )
    return deviation.status in operation["responses"] and is_valid == (deviation.status == "200")
