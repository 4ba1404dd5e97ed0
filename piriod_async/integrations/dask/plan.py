"""Which workspaces a task reads: batches, by token."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from attrs import frozen

from piriod_async.errors import ConfigurationError, QueryError
from piriod_async.transport.auth import validate_workspace
from piriod_async.validators import check_positive_int

WorkspacesByToken: TypeAlias = Iterable[str] | Mapping[str, Iterable[str]]
"""Ids of workspaces; or of each token, by the name of its environment variable."""
# Capitals, so that a token that is given by mistake is not taken for a name, and sent around
_TOKEN_NAME = re.compile(r"[A-Z_][A-Z0-9_]*|[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@frozen
class Batch:
    """The workspaces that one task reads with one token.

    Attributes:
        token: Name of the environment variable, or `module:function`.
        number: Position among the batches of the token, from 0.
        workspaces: Their ids.
    """

    token: str
    number: int
    workspaces: tuple[str, ...]


def plan_batches(workspaces: WorkspacesByToken, token_env: str, workspaces_per_task: int) -> dict[str, list[Batch]]:
    """Return the batches of each token; the tokens with the most workspaces come first.

    Raises:
        QueryError: The workspaces are no ids, or one has two tokens.
        ConfigurationError: A name of a token cannot be one, or an id is not valid.
    """
    check_positive_int("workspaces_per_task", workspaces_per_task)
    by_token = workspaces if isinstance(workspaces, Mapping) else {token_env: workspaces}
    owners: dict[str, str] = {}
    for token, ids in by_token.items():
        _check_token_name(token)
        for workspace in _check_ids(ids):
            if owners.setdefault(validate_workspace(workspace), token) != token:
                raise QueryError(f"workspaces: {workspace!r} has two tokens: expected it once")
    ids_by_token: dict[str, list[str]] = {}
    for workspace, token in owners.items():
        ids_by_token.setdefault(token, []).append(workspace)
    largest_first = sorted(ids_by_token, key=lambda token: -len(ids_by_token[token]))
    return {token: _batches(token, ids_by_token[token], workspaces_per_task) for token in largest_first}


def _batches(token: str, ids: Sequence[str], size: int) -> list[Batch]:
    starts = range(0, len(ids), size)
    return [Batch(token, number, tuple(ids[start : start + size])) for number, start in enumerate(starts)]


def _check_ids(ids: object) -> Iterable[str]:
    if isinstance(ids, str | bytes) or not isinstance(ids, Iterable):
        raise QueryError(f"workspaces={ids!r}: expected workspace ids, or a mapping of names of variables to ids")
    return ids


def _check_token_name(name: object) -> None:
    if not isinstance(name, str) or not _TOKEN_NAME.fullmatch(name):  # the value may be a token: do not show it
        raise ConfigurationError(
            "token_env=…: expected the name of an environment variable of the workers, in capitals, such as "
            "'PIRIOD_TOKEN', or of a function that they can import, such as 'package.secrets:read_token'"
        )
