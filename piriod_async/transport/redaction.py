"""Takes secrets out of errors: what a server echoes of a request, and what tracebacks keep of it.

Debug pages and debugging proxies respond with the request's headers. A traceback keeps the local variables of aiohttp's
functions, among them the headers in plain text; Sentry, rich and `TracebackException(capture_locals=True)` show them.
"""

import re
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from typing import Any, NoReturn, TypeAlias, TypeVar

import aiohttp
from multidict import CIMultiDict, MultiMapping
from yarl import URL

from piriod_async.transport.auth import Secret, pickle_error

E = TypeVar("E", bound=BaseException)

STARS = "********"
_Patterns: TypeAlias = tuple[re.Pattern[str], list[re.Pattern[str]]]  # of a beginning, and of each character after it
_MIN_LENGTH = 8  # characters of a secret that identify it, so that one that was cut off is found as well
_SLASHES = r"\\{0,15}"  # of four levels of escapes; without a limit, a body of backslashes would take minutes
_SPACE = rf"(?:[\s+]|%(?:25)*20|{_SLASHES}u0020)+"
_NAMED_ENTITIES = {"&": "amp", "<": "lt", ">": "gt", '"': "quot", "'": "apos"}


class Redactor:
    """Replaces secrets by stars, also where they are escaped for JSON, URLs or HTML.

    Args:
        secrets: The secrets to look for. One of fewer than 8 characters is replaced only after its scheme.
    """

    def __init__(self, *secrets: Collection[object]) -> None:
        self._secrets = secrets
        self._known: dict[Secret, _Patterns] = {}
        self._replacements: list[tuple[Any, Callable[[Any], Any]]] = [
            (str, self.text),
            (bytes, lambda value: self.text(value.decode("latin-1")).encode("latin-1")),
            (list, lambda value: [self.value(each) for each in value]),
            (dict, lambda value: {self.value(key): self.value(each) for key, each in value.items()}),
            (MultiMapping, lambda _: CIMultiDict[str]()),  # a proxy could not be pickled, as Dask does with causes
            (aiohttp.BasicAuth, lambda _: None),
            (tuple, lambda value: _make_tuple(type(value), map(self.value, value))),
            (URL, lambda value: value if value.raw_user is None else value.with_user(None)),
        ]

    def __reduce__(self) -> NoReturn:
        raise pickle_error()

    @property
    def _patterns(self) -> Iterator[tuple[Secret, _Patterns]]:
        """The secrets of this moment, and how to find them, which takes 10 ms to find out."""
        secrets = {each for secrets in self._secrets for each in secrets if isinstance(each, Secret) and each.reveal()}
        self._known = {each: self._known.get(each) or _patterns(each) for each in secrets}
        return iter(self._known.items())

    def text(self, text: str) -> str:
        """Return text without the secrets."""
        for secret, (start, rest) in self._patterns:
            if len(secret.reveal()) >= _MIN_LENGTH:
                text = text.replace(secret.reveal(), STARS)
            parts, end = [], 0
            for found in start.finditer(text):
                if found.start() < end:
                    continue
                parts.append(text[end : found.start()])
                end = found.end()
                for character in rest:
                    found_next = character.match(text, end)
                    if not found_next:
                        break
                    end = found_next.end()
            if parts:
                text = STARS.join([*parts, text[end:]])
        return text

    def value(self, value: Any) -> Any:
        """Return an attribute of an error without the secrets, and without headers and logins.

        An object of another class, such as an unfinished response of aiohttp, becomes text if its repr has a secret.
        """
        for kinds, replace in self._replacements:
            if isinstance(value, kinds):
                return replace(value)
        if isinstance(value, BaseException):
            return value
        shown = repr(value)
        redacted = self.text(shown)
        return value if redacted == shown else redacted

    def error(self, error: E, handled: BaseException | None, *, keep_tracebacks: bool = False) -> E:
        """Take the secrets out of an error and all that caused it, cut their tracebacks, and return it.

        Args:
            error: The error.
            handled: The error that the caller handled when it sent the request, which stays as it is: it is the
                caller's own.
            keep_tracebacks: Whether the tracebacks are of the caller's own code, and stay.
        """
        for each in _chain(error, handled):
            if not keep_tracebacks:
                each.__traceback__ = None
            with suppress(AttributeError, TypeError, ValueError):
                each.args = self.value(each.args)
            for name, value in vars(each).items():
                vars(each)[name] = self.value(value)
        return error


def clear_aiohttp_frames(error: BaseException, handled: BaseException | None) -> None:
    """Delete the local variables of aiohttp's functions from the tracebacks of an error that is not ours.

    Unlike a cut traceback, it still says where the error comes from.

    Args:
        error: The error.
        handled: As in `Redactor.error`.
    """
    for each in _chain(error, handled):
        for frame, _ in traceback.walk_tb(each.__traceback__):
            if frame.f_globals.get("__name__", "").startswith("aiohttp."):
                with suppress(RuntimeError):  # still running
                    frame.clear()


def _chain(error: BaseException, handled: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, what caused it after `handled`, and the errors that it contains."""
    seen = {id(handled)}
    pending: list[object] = [error]
    while pending:
        each = pending.pop()
        if isinstance(each, BaseException) and id(each) not in seen:
            seen.add(id(each))
            yield each
            pending += [each.__cause__, each.__context__, *each.args, *vars(each).values()]
            pending += each.exceptions if isinstance(each, BaseExceptionGroup) else ()


def _make_tuple(kind: type[tuple[Any, ...]], values: Iterable[Any]) -> tuple[Any, ...]:
    return kind(*values) if hasattr(kind, "_fields") else tuple(values)


def _patterns(secret: Secret) -> _Patterns:
    """Return a pattern for the beginning of a secret, and one for each further character."""
    characters = [_pattern(character) for character in secret.reveal()]
    if len(characters) < _MIN_LENGTH:
        return re.compile(rf"\b{re.escape(secret.scheme)}{_SPACE}{''.join(characters)}"), []
    return re.compile("".join(characters[:_MIN_LENGTH])), [re.compile(each) for each in characters[_MIN_LENGTH:]]


def _pattern(character: str) -> str:
    """Return a pattern for a character, as it is or escaped, any number of times."""
    code, plain = ord(character), re.escape(character)
    if not character.isalnum():
        plain = f"{_SLASHES}{plain}"
    entity = _NAMED_ENTITIES.get(character)
    named = f"|{entity}" if entity else ""
    return (
        rf"(?:{plain}|%(?:25)*(?i:{code:02x})|(?=\\){_SLASHES}(?:u00|x)(?i:{code:02x})"
        rf"|{_SLASHES}&(?:amp;)*(?:#0*{code}|#[xX]0*(?i:{code:x}){named});)"
    )
