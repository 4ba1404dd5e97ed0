"""Click options for the filters, derived from the fields of `CustomerQuery` and their descriptions in its docstring."""

import inspect
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import attrs
import click

from piriod_async import CustomerQuery
from piriod_async.cli.messages import option_name

_Command = TypeVar("_Command", bound=Callable[..., Any])

_OUT_OF_RANGE = re.compile("year|month|day|hour|minute|second")  # "month must be in 1..12"

FILTERS = tuple(attribute.name for attribute in attrs.fields(CustomerQuery))
MIRROR_FILTERS = tuple(name for name in FILTERS if name != "ordering")  # a mirror reads by `created`


def filter_options(names: Collection[str]) -> Callable[[_Command], _Command]:
    """Return a decorator that adds an option for each of these filters; its parameter has the name of the filter."""

    def add(command: _Command) -> _Command:
        for attribute in reversed(attrs.fields(CustomerQuery)):
            if attribute.name in names:
                command = _filter_option(attribute)(command)
        return command

    return add


def _filter_option(attribute: "attrs.Attribute[Any]") -> Callable[[_Command], _Command]:
    settings, extra_help = _SETTINGS[attribute.type]
    help_text = f"{_HELP.get(attribute.name, '')} {_ORDERING_HELP if attribute.name == 'ordering' else extra_help}"
    if attribute.default is not None:
        default = [attribute.default] if settings.get("multiple") else attribute.default
        settings = {**settings, "default": default, "show_default": True}
    return click.option(option_name(attribute.name), attribute.name, help=help_text.strip(), **settings)


def _reject_repeats(_: click.Context, __: click.Parameter, values: Sequence[str]) -> str | None:
    if len(values) > 1:  # click itself ignores all values but the last
        raise click.BadParameter(f"given {len(values)} times: expected one value")
    return values[0] if values else None


def _parse_datetime(_: click.Context, __: click.Parameter, value: str | None) -> datetime | None:
    if value is None:
        return None
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError as error:
        reason = f"{error}; " if _OUT_OF_RANGE.match(str(error)) else ""
        expected = "expected a date and time with a UTC offset, such as 2026-01-31T00:00:00-03:00"
        raise click.BadParameter(f"{value!r}: {reason}{expected}") from error
    if parsed.utcoffset() is None:
        naive = parsed.isoformat()
        raise click.BadParameter(
            f"{value!r} has no UTC offset, and the API would read it in its own time zone: "
            f"expected one, such as {naive}-03:00, or {naive}Z for UTC"
        )
    return parsed


def _parse_pairs(_: click.Context, __: click.Parameter, values: Sequence[str]) -> dict[str, str] | None:
    if wrong := [value for value in values if "=" not in value]:
        raise click.BadParameter(f"{wrong[0]!r}: expected KEY=VALUE")
    pairs = [value.split("=", 1) for value in values]
    keys = [key for key, _ in pairs]
    if repeated := [key for key in keys if keys.count(key) > 1]:
        raise click.BadParameter(f"{repeated[0]!r} is given twice: expected each key once")
    return dict(pairs) or None


def _argument_docs(documented: type) -> dict[str, str]:
    """Return the first sentence on each argument in a Google-style docstring."""
    arguments = (inspect.getdoc(documented) or "").partition("Args:\n")[2].partition("\n\n")[0]
    entries = re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", arguments, re.MULTILINE)
    texts = {name: " ".join(text.replace("`", "").replace("…", "...").split()) for name, text in entries}
    return {name: text.partition(". ")[0].rstrip(".") + "." for name, text in texts.items()}


_HELP = _argument_docs(CustomerQuery)
_ORDERING_HELP = 'Empty for the server\'s own order. Only "created" and "-created" can be resumed.'
_SETTINGS: dict[Any, tuple[dict[str, Any], str]] = {  # of click.option, and more help, by type of the filter
    str | None: ({"multiple": True, "callback": _reject_repeats}, ""),
    datetime | None: ({"callback": _parse_datetime, "metavar": "DATETIME"}, "With a UTC offset."),
    Mapping[str, str] | None: ({"multiple": True, "callback": _parse_pairs, "metavar": "KEY=VALUE"}, "Repeatable."),
    int: ({"type": click.IntRange(min=1), "metavar": "N"}, ""),
}
