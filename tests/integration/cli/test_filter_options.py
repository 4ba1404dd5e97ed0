"""The filters as options: all of them, parsed and sent."""

import json

import attrs
import click
import pytest

from piriod_async import CustomerQuery
from piriod_async.cli.commands import customers
from piriod_async.testing.mock_server import MockServer
from tests.support.command import env_of, ids_in

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
    "page_size": ("--page-size", "50"),
}


def test_every_filter_has_an_option():
    """Each field of `CustomerQuery` is an option with a default, a metavar and a help text."""
    options = {option.name: option for option in customers.params if isinstance(option, click.Option)}
    values = customers.make_context("customers", []).params
    for attribute in attrs.fields(CustomerQuery):
        assert len(options[attribute.name].help) > 10
        assert values[attribute.name] == attribute.default
    assert [options["created__gte"].metavar, options["metadata"].metavar] == ["DATETIME", "KEY=VALUE"]
    assert options["country"].help == 'Country id, such as "CL".'


@pytest.mark.parametrize("name", FILTERS)
async def test_every_filter_is_sent(name, run_cli_in_thread):
    """A filter reaches the server as its query parameter."""
    async with MockServer(300) as server:
        done = await run_cli_in_thread("customers", *FILTERS[name], **env_of(server))
        params = server.requests[0].params
    option, *value = FILTERS[name]
    sent = {"created__gte": "2025-06-01T04:00:00Z", "metadata__plan": "gold", "metadata__a key": "b=c"}
    assert params[name] == sent.get(name, value[0] if value else option.partition("=")[2])
    assert (done.returncode, done.stderr) == (0, "")


def test_filters_are_combined(run_cli):
    """Customers match all filters, in the requested order."""
    done = run_cli("customers", "--mock", "500", "--country", "CL", "--metadata", "plan=gold", "--ordering=-created")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert rows == sorted(rows, key=lambda customer: customer["created"], reverse=True)
    assert {(row["country"]["id"], row["metadata"]["plan"]) for row in rows} == {("CL", "gold")}


async def test_server_order(run_cli_in_thread):
    """An empty `--ordering` sends none."""
    async with MockServer(30) as server:
        done = await run_cli_in_thread("customers", "--ordering", "", **env_of(server))
        assert "ordering" not in server.requests[0].params
    assert len(ids_in(done.stdout)) == 30


async def test_ignored_filter(run_cli_in_thread):
    """A filter that the server ignores is an error, unless `--no-check-filters` is given."""
    async with MockServer(30, ignored_params={"country"}) as server:
        checked = await run_cli_in_thread("customers", "--country", "PE", **env_of(server))
        unchecked = await run_cli_in_thread("customers", "--country", "PE", "--no-check-filters", **env_of(server))
    assert (checked.returncode, checked.stdout) == (1, "")
    assert checked.stderr.endswith("\nuse --no-check-filters to accept the results as they are\n")
    assert len(ids_in(unchecked.stdout)) == 30


@pytest.mark.parametrize(
    ("ordering", "unknown"),
    [
        ("nmae", "nmae"),
        ("-created,created_at", "created_at"),
        ("name,-foo,bar", "foo,bar"),
        *(("", ""), ("created", ""), ("-name,id", ""), ("country__name", "")),
    ],
)
def test_unknown_ordering(ordering, unknown, run_cli):
    """A field that no customer has deserves a warning: the API ignores it."""
    done = run_cli("customers", "--mock", "3", f"--ordering={ordering}")
    assert done.returncode == 0
    warning = f"piriod-async: warning: --ordering {unknown}: customers have no such field, so the API may ignore it\n"
    assert done.stderr.partition("expected some of id, name,")[0] == (warning if unknown else "")
