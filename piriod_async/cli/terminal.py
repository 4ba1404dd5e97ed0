"""JSON lines and CSV on a terminal, which obeys escape sequences: names come from anyone."""

from collections.abc import Iterable

from attrs import frozen

from piriod_async import Customer
from piriod_async.export import Encoder
from piriod_async.plain_text import sanitize_lines


@frozen
class TerminalEncoder:
    """Encode as another encoder does, with U+FFFD in place of each control character.

    Args:
        encoder: Encodes the customers as text in UTF-8.
    """

    encoder: Encoder

    def header(self) -> bytes:
        """Return the bytes before the first customer."""
        return _sanitize(self.encoder.header())

    def encode(self, customers: Iterable[Customer], workspace: str | None = None) -> bytes:
        """Return the lines of the customers."""
        return _sanitize(self.encoder.encode(customers, workspace))

    def footer(self) -> bytes:
        """Return the bytes after the last customer."""
        return _sanitize(self.encoder.footer())


def _sanitize(data: bytes) -> bytes:
    return sanitize_lines(data.decode()).encode()
