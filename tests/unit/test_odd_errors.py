"""Whatever values an error of this package has met: it can be printed, pickled and copied."""

import copy
import importlib
import inspect
import pickle
import pkgutil
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import piriod_async
from piriod_async import Checkpoint, DecodeError, InvalidRecord, PiriodError, PiriodSession
from piriod_async.cli.messages import CommandError
from piriod_async.decoding.fields import FieldError
from piriod_async.decoding.lenient import InvalidRecordError
from piriod_async.errors import error_from_response
from piriod_async.mirror.sync_run import _StopAllError
from piriod_async.testing.mock_server.response import APIException
from piriod_async.transport.body import BodyTooLongError
from piriod_async.transport.single_send import DroppedConnectionError

NOON = Checkpoint.from_json('{"ordering":"created","created":"2031-05-05T12:00:00Z","ids":["\\u00f1"],"query":"q"}')
DUPLICATES: list[Callable[[Any], Any]] = [
    copy.copy,
    copy.deepcopy,
    *(lambda error, protocol=protocol: pickle.loads(pickle.dumps(error, protocol)) for protocol in range(2, 6)),
]


class NoTruth:
    """As `pandas.NA`: its truth value is an error."""

    def __bool__(self) -> bool:
        raise TypeError("boolean value of NA is ambiguous")

    def __repr__(self) -> str:
        return "<NA>"


ODD = [None, "", 0, 3, -1.5, float("nan"), b"acc", ["acc_1"], {}, Ellipsis, NoTruth(), "\ud800", "Ñ\n\x00", NOON, int]


def all_exceptions() -> Iterator[type[BaseException]]:
    """Yield the exceptions that the package defines, in all of its modules."""
    for module in pkgutil.walk_packages(piriod_async.__path__, "piriod_async."):
        if module.name != "piriod_async.__main__":
            for _, value in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
                if issubclass(value, BaseException) and value.__module__ == module.name:
                    yield value


EXCEPTIONS = sorted(set(all_exceptions()), key=lambda each: each.__name__)
TREE = [each for each in EXCEPTIONS if issubclass(each, PiriodError)]
SAMPLES = {
    "APIException": APIException(404, "Invalid page."),
    "BodyTooLongError": BodyTooLongError(1_000),
    "CommandError": CommandError("interrupted", "add --resume", exit_code=130),
    "DroppedConnectionError": DroppedConnectionError("Server disconnected"),
    "InvalidRecordError": InvalidRecordError(InvalidRecord(path="$", record_id=None, reason="no", raw=b"{}")),
    "FieldError": FieldError("metadata", ValueError("no")),
    "_StopAllError": _StopAllError("database"),
}


def assert_robust(error: BaseException) -> None:
    """Print, pickle and copy an error."""
    text = str(error)
    assert text.encode()
    assert repr(error).encode()
    assert "".join(traceback.format_exception(error)).encode()
    for duplicate in DUPLICATES:
        twin = duplicate(error)
        assert (type(twin), str(twin), repr(twin.args)) == (type(error), text, repr(error.args))
        assert vars(twin).keys() == vars(error).keys()


def test_tree() -> None:
    """The test below has an error of each class, wherever it is defined."""
    assert len(TREE) >= 17
    assert {each.__name__ for each in EXCEPTIONS} - {each.__name__ for each in TREE} == set(SAMPLES)


@pytest.mark.parametrize("error_class", TREE)
def test_odd_values(error_class: type[PiriodError]) -> None:
    """Any value as message, workspace or other attribute does no harm."""
    for message, value in (*(("x", value) for value in ODD), *zip(ODD, ODD, strict=True)):
        error = error_class(message)
        error.workspace = value
        error.attempts = 2
        error.add_note("a note")
        for name in set(vars(error)) - {"attempts", "retryable", "workspace", "__notes__"}:
            setattr(error, name, value)
        assert_robust(error)


@pytest.mark.parametrize("name", SAMPLES)
def test_others(name: str) -> None:
    """So can the exceptions that are not a `PiriodError`."""
    assert_robust(SAMPLES[name])


def test_headers_that_are_not_text() -> None:
    """aiohttp reads a header that is not UTF-8 as half surrogate pairs, which no stream can write."""
    error = error_from_response(503, b"\xff", request="GET", reason="\udce9", request_id="\udcff", retry_after=None)
    assert str(error) == "GET: 503 \ufffd: \ufffd [request \ufffd]"
    assert_robust(error)


@pytest.mark.parametrize(
    "workspace", [3, None, 1.5, NoTruth(), ("acc_1",), b"acc_1", ["acc_1"], "a b", "\ud800", test_tree]
)
async def test_across(workspace: Any) -> None:
    """A workspace id of another type is an error that can be printed, pickled and copied."""
    async with PiriodSession("token", base_url="http://127.0.0.1:1") as piriod:
        with pytest.raises(PiriodError, match="expected") as caught:
            await piriod.across([workspace]).collect()
        assert_robust(caught.value)
        try:
            listing = piriod.across([workspace, "a b"], on_error="collect")
            await listing.collect()
            listing.raise_for_errors()
        except* PiriodError as errors:
            assert_robust(errors)


async def test_decode_error() -> None:
    """The error of a record has its checkpoint, also in another process."""
    error = DecodeError("results[3].phone: 5 is not text", path="results[3].phone", record_id="cus_1")
    error.checkpoint = NOON
    assert_robust(error)
    assert pickle.loads(pickle.dumps(error)).checkpoint == NOON
