"""The options that say which workspaces to read, with which token, from which server."""

from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any, TextIO, TypeVar

import click
from attrs import asdict, frozen
from click.core import ParameterSource

from piriod_async.cli.messages import option_name

F = TypeVar("F", bound=Callable[..., Any])

MOCK_WORKSPACE, MOCK_CUSTOMERS = "acc_mock", 1_000
PATH = click.Path(dir_okay=False, path_type=Path)
NON_NEGATIVE, POSITIVE = click.IntRange(min=0), click.IntRange(min=1)

_CONFLICTS = [("mock", "token_file"), ("accounts", "token_file"), ("mock", "accounts"), ("mock", "base_url")]


def _parse_base_url(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Return the URL. `--mock` takes precedence over the environment, as it does for the token."""
    source = context.get_parameter_source(str(parameter.name))
    if source is ParameterSource.ENVIRONMENT and context.params.get("mock") is not None:
        return None
    return value and value.strip()


_OPTIONS = [
    click.option(
        "--workspace",
        "workspaces",
        multiple=True,
        metavar="ID",
        help="Workspace id; default PIRIOD_WORKSPACE. Repeatable.",
    ),
    click.option(
        "--workspaces-file",
        type=click.File(encoding="utf-8-sig"),
        help="File with workspace ids, one per line; - for standard input.",
    ),
    click.option("--test-mode", is_flag=True, envvar="PIRIOD_TEST_MODE", help="Read test data instead of live data."),
    click.option("--token-file", type=PATH, metavar="FILE", help="File with the API token; overrides PIRIOD_TOKEN."),
    click.option(
        "--accounts",
        type=PATH,
        metavar="FILE",
        help="TOML file of several accounts; `piriod-async customers --help` describes it.",
    ),
    click.option(
        "--base-url",
        envvar="PIRIOD_BASE_URL",
        callback=_parse_base_url,
        metavar="URL",
        help="Base URL of the API, if not production.",
    ),
    click.option(
        "--concurrency", type=POSITIVE, default=8, show_default=True, metavar="N", help="Maximum concurrent requests."
    ),
    click.option(
        "--requests-per-second",
        type=click.FloatRange(min=0, min_open=True),
        metavar="N",
        help="Maximum rate of requests for each token. Default: as fast as the API allows.",
    ),
    click.option(
        "--mock",
        type=NON_NEGATIVE,
        is_flag=False,
        flag_value=MOCK_CUSTOMERS,
        is_eager=True,  # --base-url looks at it
        metavar="[N]",
        help=f"Use a mock server with N customers (default {MOCK_CUSTOMERS}): no token needed.",
    ),
]


def connection_options(command: F) -> F:
    """Add the options to a command."""
    return reduce(lambda decorated, option: option(decorated), reversed(_OPTIONS), command)


@frozen(kw_only=True)
class ConnectionOptions:
    """The options by their parameter's name.

    Raises:
        click.UsageError: Options that cannot be combined.
    """

    workspaces: tuple[str, ...]
    workspaces_file: TextIO | None
    test_mode: bool
    token_file: Path | None
    accounts: Path | None
    base_url: str | None
    concurrency: int
    requests_per_second: float | None
    mock: int | None

    def __attrs_post_init__(self) -> None:
        self.refuse_together(_CONFLICTS)

    def refuse_together(self, conflicts: list[tuple[str, str]]) -> None:
        """Refuse pairs of options that are both given.

        Raises:
            click.UsageError: A pair is.
        """
        for one, other in conflicts:
            if {one, other} <= self.given:
                raise click.UsageError(f"{option_name(one)} cannot be combined with {option_name(other)}")

    @property
    def given(self) -> set[str]:
        """Names of the options that are given, or have a default."""
        values = asdict(self, recurse=False)
        return {name for name, value in values.items() if value is not None and value is not False}

    @property
    def effective_concurrency(self) -> int:
        """Concurrent requests that can be of use."""
        return self.concurrency

    @property
    def multi_workspace(self) -> bool:
        """Whether there may be several workspaces, so that results name theirs."""
        return bool(self.workspaces_file or self.accounts) or len(self.workspaces) > 1
