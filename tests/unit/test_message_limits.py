"""The message of every error is one line of limited length, whatever it quotes."""

import inspect
import json
import pickle
from datetime import UTC, datetime

import pytest

from piriod_async import (
    APIStatusError,
    BadRequestError,
    DecodeError,
    FilterIgnoredError,
    PiriodError,
    PiriodSession,
    QueryError,
    ServerError,
    UnexpectedStatusError,
    errors,
)
from piriod_async.testing.mock_server import MockServer

CLASSES = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, PiriodError)]
MAX_MESSAGE = 1_500
HOSTILE = "cus_1\n\x1b]0;owned\x07\x9b31m\u202e\u2028end"


def page_of(*records: dict[str, object]) -> bytes:
    """Return the body of a page."""
    return json.dumps({"count": len(records), "next": None, "previous": None, "results": records}).encode()


def people(number: int) -> bytes:
    """Return a page of customers with e-mail addresses."""
    return page_of(*({"id": f"cus_{i}", "email": f"person{i}@example.com", "tax_id": f"{i}-9"} for i in range(number)))


async def failure_of(status: int, body: bytes, **filters: str) -> PiriodError:
    """Return the error that a listing raises when the server responds with a body."""
    async with MockServer(3) as server, server.session() as piriod:
        server.fail(status=status, body=body, times=None)
        with pytest.raises(PiriodError) as caught:
            await piriod.customers(**filters).collect()  # type: ignore[arg-type]
    return caught.value


def check_message(error: PiriodError) -> None:
    """Check that a message is short and printable, also after pickling."""
    for each in (error, pickle.loads(pickle.dumps(error))):
        assert len(str(each)) <= MAX_MESSAGE
        assert len(repr(each)) <= 2 * MAX_MESSAGE
        assert str(each).isprintable()


@pytest.mark.parametrize("error_class", CLASSES)
def test_every_class(error_class: type[PiriodError]) -> None:
    """Each class limits its message, and keeps both ends of it."""
    error = error_class(f"start of it {HOSTILE * 100_000} end of it")
    error.workspace, error.attempts = "acc_" + "x" * 100_000, 3
    check_message(error)
    assert str(error).startswith("start of it cus_1 ")
    assert " end of it (workspace acc_x" in str(error)
    assert str(error).endswith("(after 3 attempts)")


@pytest.mark.parametrize("status", [203, 206, 418])
async def test_customers(status: int) -> None:
    """A page of customers with another status is kept in `body` and appears nowhere else."""
    body = people(2_000)
    error = await failure_of(status, body)
    assert isinstance(error, UnexpectedStatusError)
    check_message(error)
    assert (error.detail, error.errors, error.body) == ("", {}, body)
    assert "example.com" not in f"{error} {error!r}"


async def test_server_error_with_customers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same of a 500."""
    monkeypatch.setattr("piriod_async.transport.retry_budget.RETRY_COST", 501)
    error = await failure_of(500, people(2_000))
    assert isinstance(error, ServerError)
    check_message(error)
    assert "example.com" not in f"{error} {error!r}"


@pytest.mark.parametrize(
    "body",
    [
        {"detail": "x" * 3_000_000},
        {"detail": ["x"] * 100_000},
        {f"field_{number}": ["Bad."] for number in range(20_000)},
        {"f" * 100_000: ["Bad."]},
        {"f": [{"g": [HOSTILE] * 1_000}] * 50},
    ],
    ids=["detail", "details", "fields", "name", "nested"],
)
async def test_large_detail(body: dict[str, object]) -> None:
    """A long detail is cut in the message, and complete in the attributes."""
    error = await failure_of(400, json.dumps(body).encode())
    assert isinstance(error, BadRequestError)
    check_message(error)
    assert json.loads(error.body) == body
    assert len(error.detail) > MAX_MESSAGE


def test_headers() -> None:
    """Reason phrase and request id are cut too, and leave room for the rest."""
    error = errors.error_from_response(
        429, b'{"detail": "Slow down."}', request="GET", reason="r" * 5_000, request_id="i" * 50_000, retry_after=7.0
    )
    assert isinstance(error, APIStatusError)
    check_message(error)
    assert ": Slow down. [retry after 7 s] [request iii" in str(error)
    assert error.request_id == "i" * 50_000


@pytest.mark.parametrize("record_id", [HOSTILE, "x" * 100_000], ids=["hostile", "long"])
async def test_record_id(record_id: str) -> None:
    """The id of a record that cannot be decoded is safe in the message, and unchanged in `record_id`."""
    error = await failure_of(200, page_of({"id": record_id, "name": "Ñandú", "created": "yesterday"}))
    assert isinstance(error, DecodeError)
    check_message(error)
    assert "'yesterday' is not a date-time" in str(error)
    assert error.record_id == record_id


async def test_record_id_without_created() -> None:
    """So is the id of a record that a list cannot be ordered by."""
    records = [{"id": f"{HOSTILE}{number}", "name": "x"} for number in range(10)]
    body = json.dumps({"count": 500, "next": "n", "previous": None, "results": records}).encode()
    error = await failure_of(200, body)
    assert isinstance(error, DecodeError)
    check_message(error)


async def test_ignored_filter() -> None:
    """So are the values of a record that a filter excludes."""
    created = datetime(2026, 1, 1, tzinfo=UTC).isoformat()
    body = page_of({"id": HOSTILE, "name": f"{HOSTILE}{'x' * 50_000}", "created": created})
    error = await failure_of(200, body, name="other")
    assert isinstance(error, FilterIgnoredError)
    check_message(error)


def test_filter_value() -> None:
    """A long filter value leaves the argument's name and what was expected."""
    session = PiriodSession("token", "acc")
    with pytest.raises(QueryError) as caught:
        session.customers(country=["x" * 1_000_000])  # type: ignore[arg-type]
    check_message(caught.value)
    assert str(caught.value).startswith("country=['xxx")
    assert ": expected " in str(caught.value)
