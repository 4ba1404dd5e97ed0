"""Validation of tokens and workspace ids, and secrets that hide themselves."""

import re
from collections.abc import Mapping
from typing import NoReturn, Self, SupportsIndex

from piriod_async.errors import ConfigurationError

_PRINTABLE_ASCII = re.compile(r"[\x21-\x7e]+")  # any other character could break a header or inject another one
_SCHEME = re.compile(r"\s*((?:authorization:\s*)?(?:token|bearer|basic))(?:\s|:)", re.IGNORECASE)
_EXPECTED_ASCII = "text of visible ASCII characters, without spaces"


class SecretStr(str):
    """The text of a secret, for aiohttp alone: its repr, and that of each part of it, shows only stars."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'********'"

    def __getitem__(self, key: SupportsIndex | slice, /) -> Self:
        """Return a part that hides too: rich and structlog cut long text before they show it."""
        return type(self)(super().__getitem__(key))


class Secret:
    """A secret that is no text until it is sent, so that nothing can cut, format or concatenate it before.

    Args:
        value: The secret, or another `Secret`. Any other type becomes the empty string, which is not a valid token.
        scheme: Authentication scheme that precedes it in a header, such as `"Token"`.

    Attributes:
        type_name: The type of what is no text, for messages; empty for text.
    """

    __slots__ = ("_value", "scheme", "type_name")

    def __init__(self, value: object, *, scheme: str = "") -> None:
        self.type_name = ""
        if isinstance(value, Secret):
            self.type_name, value = value.type_name, value.reveal()
        elif not isinstance(value, str):
            value, self.type_name = "", type(value).__name__
        self._value = value
        self.scheme = scheme

    def __repr__(self) -> str:
        return "'********'"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and (self._value, self.scheme) == (other._value, other.scheme)

    def __hash__(self) -> int:
        return hash((self._value, self.scheme))

    def __reduce__(self) -> NoReturn:
        raise pickle_error()

    def reveal(self) -> SecretStr:
        """Return the secret without its scheme. Do not bind the result to a variable: tracebacks show those."""
        return SecretStr(self._value)

    def header(self) -> SecretStr:
        """Return the value of the header, with the scheme."""
        return SecretStr(f"{self.scheme} {self._value}".lstrip())


def pickle_error() -> TypeError:
    """Return the error for a token in something to be pickled."""
    return TypeError("a token cannot be pickled: create the PiriodSession in the process that uses it")


def reveal_headers(headers: Mapping[str, str | Secret]) -> dict[str, str]:
    """Return headers as they are sent. Do not bind the result to a variable either."""
    return {name: value.header() if isinstance(value, Secret) else value for name, value in headers.items()}


def validate_token(token: Secret, prefix: str = "token=") -> Secret:
    """Return the token if it can be sent in a header.

    Args:
        token: The token.
        prefix: Beginning of the error message, which says where the token comes from.

    Raises:
        ConfigurationError: The value is not a valid token.
    """
    if token.type_name:
        given = "None" if token.type_name == "NoneType" else f"a value of type {token.type_name}"
        raise ConfigurationError(f"{prefix}{given}: expected an API token as str, or a function that returns one")
    if not token.reveal():
        raise ConfigurationError(f"{prefix}'': expected an API token, {_EXPECTED_ASCII}")
    if scheme := _SCHEME.match(token.reveal()):
        raise ConfigurationError(f"{prefix}{token!r}: expected the token alone, without the prefix {scheme[1]!r}")
    if not _PRINTABLE_ASCII.fullmatch(token.reveal()):
        raise ConfigurationError(f"{prefix}{token!r}: expected {_EXPECTED_ASCII}")
    return token


def validate_workspace(workspace: object) -> str:
    """Return the workspace id if it can be sent in a header.

    Raises:
        ConfigurationError: The value is not a valid workspace id.
    """
    if not isinstance(workspace, str) or not _PRINTABLE_ASCII.fullmatch(workspace):
        raise ConfigurationError(f"workspace={workspace!r}: expected {_EXPECTED_ASCII}")
    return workspace
