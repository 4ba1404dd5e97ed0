"""The file of `--accounts`: workspaces, and where the token of each is.

```toml
[[accounts]]
workspaces = ["acc_1", "acc_2"]
token_file = "tokens/first"  # relative to this file

[[accounts]]
workspace = "acc_3"
token_variable = "SECOND_TOKEN"
base_url = "https://api.example.com"  # if not that of the command
test_mode = true
```
"""

import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from piriod_async import ConfigurationError, PiriodSession
from piriod_async.cli.messages import describe_os_error
from piriod_async.cli.tokens import token_from_file, token_from_variable

_KEYS = ("workspace", "workspaces", "token_file", "token_variable", "base_url", "test_mode")


def read_accounts(path: Path) -> dict[str, dict[str, Any]]:
    """Return the arguments of `PiriodSession` for each workspace.

    Raises:
        click.UsageError: The file cannot be read, or an account in it is not valid.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise click.UsageError(f"--accounts {describe_os_error(error)}") from error
    except UnicodeDecodeError as error:
        raise click.UsageError(f"--accounts {path}: expected text in UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise click.UsageError(f"--accounts {path}: expected TOML: {error}") from error
    tables = content.get("accounts")
    if content.keys() != {"accounts"} or not isinstance(tables, list) or not tables:
        raise click.UsageError(
            f"--accounts {path}: expected one or more tables [[accounts]], and nothing else: "
            'workspaces = ["acc_1"], and token_file or token_variable'
        )
    accounts: dict[str, dict[str, Any]] = {}
    numbers: dict[str, int] = {}
    for number, table in enumerate(tables, 1):
        name = f"--accounts {path}: account {number}"
        for workspace, arguments in _read_account(table, path.parent, name):
            if workspace in accounts:
                raise click.UsageError(f"{name}: {workspace} is in account {numbers[workspace]} too: expected it once")
            accounts[workspace], numbers[workspace] = arguments, number
    return accounts


def _read_account(table: object, folder: Path, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if not isinstance(table, dict):
        raise click.UsageError(f"{name}: expected a table")
    if "token" in table:
        way_out = "put it into a file or a variable, and name that in token_file or token_variable"
        raise click.UsageError(f"{name}: token: a token does not belong in this file: {way_out}")
    if unknown := [key for key in table if key not in _KEYS]:
        raise click.UsageError(f"{name}: {unknown[0]}: expected some of {', '.join(_KEYS)}")
    workspaces = _read_workspaces(table, name)
    arguments: dict[str, Any] = {"token": _find_token(table, folder, name)}
    arguments |= {key: table[key] for key in ("base_url", "test_mode") if key in table}
    for workspace in workspaces:
        try:
            PiriodSession(**{**arguments, "workspace": workspace})
        except ConfigurationError as error:
            raise click.UsageError(f"{name}: {error}") from error
        yield workspace, arguments


def _read_workspaces(table: Mapping[str, Any], name: str) -> list[Any]:
    given = [table[key] for key in ("workspace", "workspaces") if key in table]
    ids = [table["workspace"]] if "workspace" in table else table.get("workspaces")
    if len(given) != 1 or not isinstance(ids, list) or not ids:
        raise click.UsageError(f"{name}: expected either workspace, an id, or workspaces, a list of ids")
    return ids


def _find_token(table: Mapping[str, Any], folder: Path, name: str) -> Callable[[], str]:
    given = [table[key] for key in ("token_file", "token_variable") if key in table]
    if len(given) != 1 or not isinstance(given[0], str) or not given[0]:
        raise click.UsageError(f"{name}: expected either token_file, the path of a file, or token_variable, a name")
    if "token_file" in table:
        return token_from_file(folder / Path(given[0]).expanduser(), f"{name}: token_file")
    return token_from_variable(given[0], f"{name}: token_variable")
