"""Suggestions for misspelt names."""

from collections.abc import Collection

_SIMILARITY = 0.75  # `nmae` is similar to `name`; `country_code` is not to `country`


def closest(name: str, known: Collection[str]) -> str | None:
    """Return the known name that this one is probably a misspelling of, or None."""
    from difflib import get_close_matches  # noqa: PLC0415 (only errors need it)

    return next(iter(get_close_matches(name, known, n=1, cutoff=_SIMILARITY)), None)


def describe_unexpected(function: str, name: str, known: Collection[str]) -> str:
    """Return the message for a keyword argument that a function does not have, as Python would say it.

    Args:
        function: Name of the function.
        name: The argument.
        known: Those that the function has.
    """
    similar = closest(name, known)
    hint = f". Did you mean {similar!r}?" if similar else f": expected some of {', '.join(known)}"
    return f"{function}() got an unexpected keyword argument {name!r}{hint}"
