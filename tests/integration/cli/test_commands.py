"""The command line, as a process of its own where it must be one."""

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from piriod_async.cli.main import main
from piriod_async.testing.mock_server import MockServer
from tests.support.command import BARE, COMMAND, env_of, rows_of, run
from tests.support.imports import PACKAGE, imports, within
from tests.test_public_api import NAMES


def ids(done):
    return [json.loads(line)["id"] for line in done.stdout.splitlines()]


# --- listing ---


async def test_all_customers_of_a_sandbox():
    done = run("customers", "--sandbox", "2500")
    async with MockServer(2_500) as sandbox:
        expected = [customer["id"] for customer in sandbox.customers()]
    assert ids(done) == expected
    assert (done.returncode, done.stderr) == (0, "")


FILTERS = {
    "country": ("--country", "CL"),
    "email": ("--email", "facturas+dte@libreria"),
    "name": ("--name", "ñandú"),
    "tax_id": ("--tax-id", "76.398.589-K"),
    "created__gte": ("--created-gte", "2025-06-01T00:00:00-04:00"),
    "created__lte": ("--created-lte", "2025-06-01T04:00:00Z"),
    "subscriptions": ("--subscriptions", "sub_1"),
    "sources": ("--sources", "src_1"),
    "metadata__plan": ("--metadata", "plan=gold"),
    "metadata__a key": ("--metadata", "a key=b=c"),
    "ordering": ("--ordering=-created",),
}


@pytest.mark.parametrize("name", FILTERS)
async def test_every_filter_is_sent(name, here):
    async with MockServer(300) as sandbox:
        done = await here.beside("customers", *FILTERS[name], **env_of(sandbox))
        first = sandbox.requests[0].params
    option, *value = FILTERS[name]
    sent = {"created__gte": "2025-06-01T04:00:00Z", "metadata__plan": "gold", "metadata__a key": "b=c"}
    assert first[name] == sent.get(name, value[0] if value else option.partition("=")[2])
    assert (done.returncode, done.stderr) == (0, "")


def test_filters_hold(here):
    done = here("customers", "--sandbox", "500", "--country", "CL", "--metadata", "plan=gold", "--ordering=-created")
    customers = [json.loads(line) for line in done.stdout.splitlines()]
    assert customers == sorted(customers, key=lambda customer: customer["created"], reverse=True)
    assert {(each["country"]["id"], each["metadata"]["plan"]) for each in customers} == {("CL", "gold")}


async def test_the_servers_own_order_and_no_checks(here):
    async with MockServer(30, ignores={"country"}) as sandbox:
        checked = await here.beside("customers", "--ordering", "", "--country", "PE", **env_of(sandbox))
        taken = await here.beside("customers", "--country", "PE", "--no-check-filters", **env_of(sandbox))
        assert "ordering" not in sandbox.requests[0].params
    assert (checked.returncode, checked.stdout) == (1, "")
    assert checked.stderr.endswith("\n--no-check-filters takes the answers as they are\n")
    assert len(ids(taken)) == 30


def test_money_is_written_as_it_came(here):
    line = here("customers", "--sandbox", "1").stdout
    balance = json.loads(line, parse_float=str, parse_int=str)["aggregations"]["balance"]
    assert f'"balance":{balance}' in line


async def test_the_environment_says_whose_customers(here):
    async with MockServer({"acc_1": 3, "acc_2": 5}) as sandbox:
        env = env_of(sandbox)
        listing = await here.beside("customers", **env)
        other = await here.beside("customers", "--workspace", "acc_2", **env)
        test_data = await here.beside("customers", "--test-mode", **env)
        also = await here.beside("customers", **env, PIRIOD_TEST_MODE="true")
        refused = await here.beside("customers", "--workspace", "acc_other", **env)
    assert (len(ids(listing)), len(ids(other))) == (3, 5)
    assert ids(test_data) == ids(also)
    assert all(json.loads(line)["test_mode"] for line in test_data.stdout.splitlines())
    assert refused.returncode == 1
    assert "403" in refused.stderr
    assert refused.stderr.splitlines()[1] == "check the workspace's id, and that the token may read it"


async def test_limit(here):
    async with MockServer({"acc_1": 250, "acc_2": 250}) as sandbox:
        both = ("--workspace", "acc_1", "--workspace", "acc_2", "--limit")
        for limit, requests in ((1, 1), (250, 6), (260, 6)):
            sandbox.requests.clear()
            done = await here.beside("customers", *both, str(limit), **env_of(sandbox))
            assert len(ids(done)) == limit
            assert len(sandbox.requests) <= requests
        assert [json.loads(line)["workspace"] for line in done.stdout.splitlines()] == ["acc_1"] * 250 + ["acc_2"] * 10


def test_count(here):
    assert here("customers", "--sandbox", "42", "--count").stdout == "42\n"
    assert (
        here("customers", "--sandbox", "--count").stdout == here("customers", "--count", "--sandbox").stdout == "1000\n"
    )
    done = here("customers", "--sandbox", "42", "--count", "--workspace", "a", "--workspace", "b", "--workspace", "a")
    assert done.stdout == "a\t42\nb\t42\n"


def test_csv_in_a_pipe(here):
    done = here("customers", "--sandbox", "5", "--format", "csv", "--fields", "id, balance", "--raw-cells")
    assert [len(row) for row in csv.reader(done.stdout.splitlines())] == [2] * 6
    assert done.stdout.startswith("id,balance")


def test_a_table_in_a_pipe_is_as_wide_as_it_must_be(here):
    done = here("customers", "--sandbox", "5", "--format", "table")
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["id", "name", "country_id", "tax_id", "balance"]
    assert len(lines) == 6
    assert "…" not in done.stdout
    assert "\x1b" not in done.stdout


def test_no_customers_are_no_error(here):
    for kind in ("jsonl", "table"):
        done = here("customers", "--sandbox", "0", "--format", kind)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# --- the token ---


async def test_a_token_of_a_file(here, tmp_path):
    (tmp_path / "token").write_text("sandbox-token\n")
    (tmp_path / "empty").write_text("\n")
    async with MockServer(3) as sandbox:
        env = env_of(sandbox, PIRIOD_TOKEN="another")
        done = await here.beside("customers", "--token-file", tmp_path / "token", **env)
        wrong = await here.beside("customers", **env)
    assert len(ids(done)) == 3
    assert wrong.returncode == 1
    assert wrong.stderr.splitlines()[1] == "check the token: a new one replaces the one before it"
    empty = here("customers", "--token-file", tmp_path / "empty", PIRIOD_WORKSPACE="acc_1")
    assert (empty.returncode, "is empty" in empty.stderr) == (2, True)
    absent = here("customers", "--token-file", tmp_path / "absent", PIRIOD_WORKSPACE="acc_1")
    assert (absent.returncode, "No such file" in absent.stderr) == (2, True)
    (tmp_path / "token").write_bytes(b"\xef\xbb\xbfsandbox-token\r\n")  # as an editor on Windows leaves it
    async with MockServer(3) as sandbox:
        done = await here.beside("customers", "--token-file", tmp_path / "token", **env_of(sandbox))
    assert len(ids(done)) == 3
    (tmp_path / "token").write_bytes(b"\xff\xfe")
    odd = here("customers", "--token-file", tmp_path / "token", PIRIOD_WORKSPACE="acc_1")
    assert (odd.returncode, "can't decode" in odd.stderr) == (2, True)


def test_without_a_token_it_says_what_to_set(here):
    done = here("customers", PIRIOD_WORKSPACE="acc_1")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[0] == (
        "piriod-async: no token: expected PIRIOD_TOKEN, --token-file, or --sandbox to try it out"
    )
    assert "no workspace" in here("customers").stderr


def test_a_token_is_no_argument(here):
    assert here("customers", "--token", "secret").returncode == 2


# --- wrong usage ---


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--created-gte", "2026-01-31"], "names no time zone, and the API would read it in its own"),
        (["--created-lte", "yesterday"], "with its zone"),
        (["--metadata", "plan"], "KEY=VALUE"),
        (["--sandbox", "many"], "--sandbox"),
        (["--colour", "red"], "--colour"),
        (["--limit", "0"], "--limit"),
        (["--country", "CL", "--country", "PE"], "given 2 times: expected one value"),
        (["--metadata", "plan=gold", "--metadata", "plan=silver"], "'plan' is given twice"),
        (["--token-file", "token"], "--sandbox has a token of its own"),
        (["--workspace", ""], "--workspace '': expected"),
        (["--workspaces-file", os.devnull], "expected an id at least"),
        (["-o", os.devnull, "--format", "csv"], "refusing to overwrite it"),
        (["--country", " "], "--country ' ': expected text that is not blank"),
        (["--page-size", "5"], "--page-size 5: expected 10 or more"),
        (["--workspace", "a b"], "--workspace 'a b': expected"),
        (["--metadata", "plan="], "metadata['plan']='': expected text that is not blank"),
        (
            ["--created-gte", "2026-02-01T00:00:00Z", "--created-lte", "2026-01-01T00:00:00Z"],
            "--created-gte 2026-02-01T00:00:00+00:00: expected an instant no later than --created-lte 2026-01-01T00",
        ),
        (["--fields", "id,colour"], "fields='colour': expected some of id, name"),
        (["--fields", "id,colour", "--format", "table"], "fields='colour': expected some of id, name"),
        (["--fields", ""], "fields=''"),
        (["-o", "customers.xlsx"], "expected a name with .jsonl, .ndjson, .csv, .parquet; or --format"),
        (["-o", "customers.txt", "--format", "table"], "a table is for the terminal"),
        (["--format", "parquet"], "expected -o customers.parquet"),
        (["--contacts", "c.csv"], "--contacts goes with -o and CSV"),
        (["--contacts", "c.csv", "-o", "a.jsonl"], "--contacts goes with -o and CSV"),
        (["--contacts", "./a.csv", "-o", "a.csv"], "the same file"),
        (["--resume"], "--resume goes with -o"),
        (["--count", "-o", "a.csv"], "expected no --output"),
        (["--count", "--limit", "3"], "expected no --limit"),
        (["--count", "--format", "csv"], "expected no --format"),
        (["--raw-cells"], "--raw-cells goes with CSV"),
        (["--raw-cells", "-o", "a.jsonl"], "--raw-cells goes with CSV"),
        (["--workspaces-file", "absent"], "absent"),
    ],
)
def test_wrong_usage(arguments, said, here, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = here("customers", "--sandbox", "3", *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.startswith("piriod-async: ")
    assert done.stderr.count("\n") <= 2
    assert not list(tmp_path.iterdir())


def test_help(here):
    for arguments in (["--help"], ["customers", "-h"], []):
        done = here(*arguments)
        assert done.returncode == (0 if arguments else 2)
        for code in ("0 ", "1 ", "2 ", "3 ", "130 "):
            assert re.search(rf"^ +{code} +\w", done.stdout + done.stderr, re.MULTILINE)
    assert here("--version").stdout.startswith("piriod-async 0.")


# --- errors ---


async def test_errors_are_two_lines_that_say_what_to_do(here):
    async with MockServer(300) as sandbox:
        sandbox.fail(status=418, body=b'{"detail": "\\u001b[31mteapot\\nof\\u202eclay"}')
        done = await here.beside("customers", **env_of(sandbox))
    assert done.returncode == 1
    said, what = done.stderr.splitlines()
    assert "\ufffd[31mteapot of\ufffdclay" in said
    assert what == "-v shows every attempt"


async def test_verbose_shows_the_attempts(here):
    async with MockServer(3) as sandbox:
        sandbox.fail(status=503, times=1, retry_after=0)
        done = await here.beside("customers", "-v", **env_of(sandbox))
        again = await here.beside("customers", **env_of(sandbox))
    assert done.returncode == 0
    assert "page 1 of acc_sandbox: 503 at attempt 1" in done.stderr
    assert "page 1 of acc_sandbox: 200 at attempt 2" in done.stderr
    assert again.stderr == ""


async def test_no_server(here):
    async with MockServer(3) as sandbox:
        env = env_of(sandbox)
    env["PIRIOD_WORKSPACE"] = "acc_1"
    done = await here.beside("customers", "--base-url", "http://example.com", **env)
    assert (done.returncode, "--base-url 'http://example.com': expected" in done.stderr) == (2, True)


async def test_an_incomplete_list_is_exit_code_3(here):
    async with MockServer(300, ties="shuffled") as sandbox:
        moment = sandbox.customers()[0]["created"]
        for _ in range(150):
            sandbox.add(created=moment)
        done = await here.beside("customers", **env_of(sandbox))
    assert done.returncode == 3
    assert done.stderr.endswith("\ntry again when the list moves less\n")


def test_a_reader_that_has_had_enough():
    with subprocess.Popen([*COMMAND, "customers", "--sandbox", "5000"], stdout=-1, stderr=-1, env=BARE) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_a_full_disk_is_exit_code_1():
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([*COMMAND, "customers", "--sandbox", "50"], stdout=full, stderr=-1, env=BARE, check=False)
    assert done.returncode == 1
    assert b"No space left on device" in done.stderr


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_without_the_extra_it_says_what_to_install(missing):
    code = f"import sys; sys.modules[{missing!r}] = None; from piriod_async.cli.main import main; sys.exit(main([]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "piriod-async: the command line needs click and rich: pip install 'piriod-async[cli]'\n"


def test_other_missing_modules_are_not_hidden(monkeypatch):
    monkeypatch.setitem(sys.modules, "piriod_async.cli.commands", None)
    with pytest.raises(ModuleNotFoundError):
        main([])


def test_without_pyarrow_only_parquet_is_missing(here, monkeypatch, tmp_path):
    for name in [name for name in sys.modules if name.startswith("piriod_async.export.arrow_format")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    done = here("customers", "--sandbox", "3", "-o", tmp_path / "a.parquet")
    assert (done.returncode, "pip install 'piriod-async[arrow]'" in done.stderr) == (2, True)
    assert here("customers", "--sandbox", "3", "-o", tmp_path / "a.csv").returncode == 0


# --- several workspaces ---


async def test_several_workspaces_one_after_the_other(here, tmp_path):
    (tmp_path / "list").write_text("# ours\nacc_2\n\nacc_3  # the new one\nacc_1\n")
    async with MockServer({"acc_1": 120, "acc_2": 30, "acc_3": 0}) as sandbox:
        expected = [(name, row["id"]) for name in ("acc_1", "acc_2", "acc_3") for row in sandbox.customers(name)]
        options = ("--workspace", "acc_1", "--workspaces-file", tmp_path / "list")
        for kind in ("jsonl", "csv", "parquet"):
            file = tmp_path / f"a.{kind}"
            done = await here.beside("customers", *options, "-o", file, "--fields", "id", **env_of(sandbox))
            assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
            assert [(row["workspace"], row["id"]) for row in rows_of(file)] == expected
        printed = await here.beside("customers", *options, "--format", "table", "--fields", "id", **env_of(sandbox))
    assert [tuple(line.split()) for line in printed.stdout.splitlines()] == [("workspace", "id"), *expected]


async def test_a_workspace_that_fails_does_not_cost_the_others(here, tmp_path):
    file = tmp_path / "a.csv"
    async with MockServer({"acc_1": 250, "acc_2": 250, "acc_3": 250}) as sandbox:
        options = ("--workspace", "acc_1", "--workspace", "acc_2", "--workspace", "acc_3", "--fields", "id")
        for name in sandbox.workspaces:
            sandbox.customers(name)
        sandbox.fail(status=403, times=None, workspace="acc_2", page=3)
        printed = await here.beside("customers", *options, **env_of(sandbox))
        counted = await here.beside("customers", *options[:6], "--count", **env_of(sandbox))
        written = await here.beside("customers", *options, "-o", file, **env_of(sandbox))
        assert not file.exists()
        assert [printed.returncode, counted.returncode, written.returncode] == [3, 0, 3]
        lines = written.stderr.splitlines()
        assert lines[0].startswith("piriod-async: acc_2: ")
        assert lines[0].endswith("; check the workspace's id, and that the token may read it")
        assert lines[1] == "piriod-async: 1 of 3 workspaces failed: acc_2"
        assert lines[2] == f"600 customers are kept in {file}.part: add --resume to go on from there"
        part = rows_of_csv = list(csv.DictReader(io.StringIO((tmp_path / "a.csv.part").read_text())))
        assert len(part) == 600
        sandbox.heal()
        resumed = await here.beside("customers", *options, "-o", file, "--resume", **env_of(sandbox))
        assert (resumed.returncode, resumed.stderr) == (0, "")
        expected = {(name, row["id"]) for name in sandbox.workspaces for row in sandbox.customers(name)}
    rows = [(row["workspace"], row["id"]) for row in rows_of(file)]
    assert rows[:600] == [(row["workspace"], row["id"]) for row in rows_of_csv]
    assert len(rows) == 750
    assert set(rows) == expected


async def test_what_a_failed_workspace_left_does_not_count(here, tmp_path):
    """By name there is no going on: what came of it is forgotten, and leaves room under the limit."""
    options = ("--workspace", "acc_1", "--workspace", "acc_2", "--ordering", "name", "--limit", "250")
    async with MockServer({"acc_1": 450, "acc_2": 250}) as sandbox:
        sandbox.fail(status=403, times=None, workspace="acc_1", page=3)
        done = await here.beside("customers", *options, "-o", tmp_path / "a.csv", **env_of(sandbox))
        expected = {row["id"] for row in sandbox.customers("acc_2")}
    assert done.returncode == 3
    (tmp_path / "a.csv.part").rename(tmp_path / "part.csv")
    assert [row["workspace"] for row in rows_of(tmp_path / "part.csv")] == ["acc_2"] * 250
    assert {row["id"] for row in rows_of(tmp_path / "part.csv")} == expected


async def test_a_failed_count(here):
    async with MockServer({"acc_1": 2}) as sandbox:
        options = ("--workspace", "acc_0", "--workspace", "acc_1", "--count")
        done = await here.beside("customers", *options, **env_of(sandbox))
    assert (done.returncode, done.stdout) == (3, "acc_1\t2\n")
    assert done.stderr.endswith("\npiriod-async: 1 of 2 workspaces failed: acc_0\n")


# --- the sandbox ---


def test_the_sandbox_serves_until_interrupted():
    command = [*COMMAND, "sandbox", "--port", "0", "--customers", "7", "--workspace", "acc_1", "--workspace", "acc_2"]
    with subprocess.Popen(command, stdout=-1, stderr=-1, env=BARE) as process:
        settings = dict(pair.split("=", 1) for pair in process.stdout.readline().decode().split()[1:])
        curl, workspaces = process.stdout.readline().decode(), process.stdout.readline().decode()
        listing = run("customers", "--workspace", "acc_2", **settings)
        process.send_signal(signal.SIGINT)
        assert process.stderr.read().strip() == b""
    assert len(ids(listing)) == 7
    assert settings["PIRIOD_WORKSPACE"] == "acc_1"
    assert curl.startswith("curl -H 'Authorization: Token ")
    assert workspaces == "workspaces: acc_1 acc_2; Ctrl-C to stop\n"
    assert process.returncode == 130


# --- its room ---


@pytest.mark.parametrize("path", sorted((PACKAGE / "cli").glob("*.py")), ids=lambda path: path.stem)
def test_it_uses_what_users_have(path):
    assert within(imports(path, typing=True), "piriod_async") <= NAMES | {"cli", "export", "testing"}
