"""Validation of tokens and workspace ids, and text that hides itself."""

import re
from typing import Self

from piriod_async.errors import ConfigurationError

_PRINTABLE_ASCII = re.compile(r"[\x21-\x7e]+")  # any other character could break a header or inject another one
_EXPECTED_ASCII = "text of visible ASCII characters, without spaces"


class SecretStr(str):
    """Text whose repr, and so any traceback with local variables, shows only stars."""

    __slots__ = ()

    def __new__(cls, value: object) -> Self:
        """Wrap text; any other value becomes the empty string, which is not a valid token."""
        return super().__new__(cls, value if isinstance(value, str) else "")

    def __repr__(self) -> str:
        return "'********'"


def validate_token(token: SecretStr) -> SecretStr:
    """Return the token if it can be sent in a header.

    Raises:
        ConfigurationError: The value is not a valid token.
    """
    if not _PRINTABLE_ASCII.fullmatch(token):
        raise ConfigurationError(f"token={token!r}: expected {_EXPECTED_ASCII}")
    return token


def validate_workspace(workspace: object) -> str:
    """Return the workspace id if it can be sent in a header.

    Raises:
        ConfigurationError: The value is not a valid workspace id.
    """
    if not isinstance(workspace, str) or not _PRINTABLE_ASCII.fullmatch(workspace):
        raise ConfigurationError(f"workspace={workspace!r}: expected {_EXPECTED_ASCII}")
    return workspace
