"""Renders errors as logs and error trackers do."""

import io
import traceback
from collections.abc import Iterator
from typing import Any, TypeVar

from rich.console import Console
from rich.traceback import Traceback

E = TypeVar("E", bound=BaseException)
MAX_TEXT = 75  # characters of a text that rich and structlog show


def report_of(error: BaseException) -> str:
    """Return everything that a log or an error tracker could show of an error and its causes."""
    texts = []
    for each in chain_of(error):
        report = traceback.TracebackException.from_exception(each, capture_locals=True)
        texts += [str(each), repr(each), repr(each.args), repr(vars(each)), *report.format()]
        for frame, _ in traceback.walk_tb(each.__traceback__):
            texts += [f"{name} = {shown(value)}" for name, value in frame.f_locals.items()]
    return "\n".join([*texts, rich_report(error)])


def without_callers(error: E) -> E:
    """Return an error whose traceback begins in the package: the test's own variables may have what ours must not."""
    frames = error.__traceback__
    while frames and "piriod_async" not in frames.tb_frame.f_code.co_filename:
        frames = frames.tb_next
    assert frames
    return error.with_traceback(frames)


def chain_of(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and its causes, also the suppressed ones."""
    each: BaseException | None = error
    while each is not None:
        yield each
        each = each.__cause__ or each.__context__


def rich_report(error: BaseException) -> str:
    """Return what rich prints of an error, with local variables."""
    console = Console(file=io.StringIO(), width=1_000, force_terminal=False)
    console.print(
        Traceback.from_exception(
            type(error),
            error,
            error.__traceback__,
            extra_lines=0,
            show_locals=True,
            locals_max_length=100,
            locals_max_string=MAX_TEXT,
            locals_hide_dunder=False,
        )
    )
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def shown(value: Any) -> str:
    """Return a value as structlog and Sentry show it: text is cut, then its repr shown; containers are entered."""
    if isinstance(value, str | bytes):
        return repr(value[:MAX_TEXT])
    if isinstance(value, dict):
        return ", ".join(f"{shown(key)}: {shown(inner)}" for key, inner in value.items())
    if isinstance(value, list | tuple | set):
        return ", ".join(map(shown, value))
    return repr(value)
