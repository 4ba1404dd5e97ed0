"""Wrong usage: one or two lines that name the option, and no file touched."""

import os

import pytest


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--created-gte", "2026-01-31"], "has no UTC offset, and the API would read it in its own time zone"),
        (["--created-lte", "yesterday"], "'yesterday': expected a date and time with a UTC offset"),
        (["--created-lte", "2026-13-01T00:00:00Z"], "month must be in 1..12; expected a date and time with"),
        (["--created-gte", "2026-02-30T00:00:00Z"], "day is out of range for month; expected a date and time with"),
        (["--metadata", "plan"], "KEY=VALUE"),
        (["--mock", "many"], "--mock"),
        (["--colour", "red"], "--colour"),
        (["--token", "secret"], "No such option"),
        (["--limit", "0"], "--limit"),
        (["--page-size", "0"], "--page-size"),
        (["--page-size", "101"], "--page-size 101: expected"),
        (["--country", "CL", "--country", "PE"], "given 2 times: expected one value"),
        (["--metadata", "plan=gold", "--metadata", "plan=silver"], "'plan' is given twice"),
        (["--token-file", "token"], "--mock cannot be combined with --token-file"),
        (["--base-url", "https://api.piriod.com"], "--mock cannot be combined with --base-url"),
        (["--workspace", ""], "--workspace '': expected"),
        (["--workspaces-file", os.devnull], "expected at least one id"),
        (["-o", os.devnull, "--format", "csv"], "exists and is not a regular file; refusing to overwrite it"),
        (["--country", " "], "--country ' ': expected text that is not blank"),
        (["--page-size", "5"], "--page-size 5: expected 10 or more"),
        (["--workspace", "a b"], "--workspace 'a b': expected"),
        (["--metadata", "plan="], "metadata['plan']='': expected text that is not blank"),
        (
            ["--created-gte", "2026-02-01T00:00:00Z", "--created-lte", "2026-01-01T00:00:00Z"],
            "--created-gte 2026-02-01T00:00:00+00:00: expected an instant no later than --created-lte 2026-01-01T00",
        ),
        (["--fields", "id,colour"], "--fields 'colour': expected some of id, name"),
        (["--fields", "id,colour", "--format", "table"], "--fields 'colour': expected some of id, name"),
        (["--fields", ""], "--fields ''"),
        (
            ["-o", "customers.xlsx"],
            "--output customers.xlsx: expected a name that ends in .jsonl, .ndjson, .csv, .parquet; or --format",
        ),
        (["-o", "customers.json"], "or --format, such as --format jsonl"),
        (["-o", "-"], "--output -: leave it out to write to standard output, and choose with --format"),
        (["-o", "customers.txt", "--format", "table"], "--format table cannot be combined with --output"),
        (["--format", "parquet"], "--format parquet requires --output"),
        (["--contacts-output", "c.csv"], "--contacts-output requires --output"),
        (["--contacts-output", "c.csv", "-o", "a.jsonl"], "--contacts-output requires --format csv"),
        (["--contacts-output", "./a.csv", "-o", "a.csv"], "the same file"),
        (["--resume"], "--resume requires --output"),
        (["--count", "-o", "a.csv"], "--count cannot be combined with --output"),
        (["--count", "--limit", "3"], "--count cannot be combined with --limit"),
        (["--count", "--format", "csv"], "--count cannot be combined with --format"),
        (["--count", "--resume"], "--count cannot be combined with --resume"),
        (["--no-escape-formulas"], "--no-escape-formulas requires --format csv"),
        (["--no-escape-formulas", "-o", "a.jsonl"], "--no-escape-formulas requires --format csv"),
        (["--bom"], "--bom requires --format csv"),
        (["--bom", "--count"], "--count cannot be combined with --bom"),
        (["--workspaces-file", "absent"], "absent"),
    ],
)
def test_wrong_usage(arguments, message, run_cli, tmp_path, monkeypatch):
    """The exit code is 2, the message names the option, and no file is made."""
    monkeypatch.chdir(tmp_path)
    done = run_cli("customers", "--mock", "3", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.startswith("piriod-async: ")
    assert done.stderr.count("\n") <= 2
    assert not list(tmp_path.iterdir())
