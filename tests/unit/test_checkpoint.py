"""A checkpoint as JSON."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from piriod_async import Checkpoint, QueryError

NOON = datetime(2031, 5, 5, 12, 0, 0, 1, tzinfo=UTC)
LIMA = timezone(timedelta(hours=-5))
SAVED = '{"ordering":"created","created":"2031-05-05T12:00:00.000001Z","ids":["cus_1"],"query":"workspace=acc_1"}'


def test_json() -> None:
    """The JSON is stable, and unknown fields of a newer version are ignored."""
    checkpoint = Checkpoint(ordering="created", created=NOON, ids=frozenset({"cus_1"}), query="workspace=acc_1")
    assert json.loads(checkpoint.to_json()) == json.loads(SAVED)
    assert Checkpoint.from_json(SAVED) == Checkpoint.from_json(SAVED.encode()) == checkpoint
    assert Checkpoint.from_json(json.dumps(json.loads(SAVED) | {"newer": [1]})) == checkpoint


@settings(max_examples=50, deadline=None)
@given(
    st.datetimes(min_value=datetime(1, 1, 2), timezones=st.sampled_from([UTC, LIMA])),  # noqa: DTZ001
    st.frozensets(st.text(st.characters(exclude_categories=["Cs"])), max_size=4),
    st.text(st.characters(exclude_categories=["Cs"])),
)
def test_round_trip(created: datetime, ids: frozenset[str], query: str) -> None:
    """`from_json` returns what `to_json` wrote, with the zone of the instant."""
    checkpoint = Checkpoint(ordering="-created", created=created, ids=ids, query=query)
    back = Checkpoint.from_json(checkpoint.to_json())
    assert back == checkpoint
    assert (type(back.ids), back.created.utcoffset()) == (frozenset, created.utcoffset())


BAD = [
    *(
        "",
        " ",
        "null",
        "[]",
        "3",
        '"created"',
        "{}",
        "{",
        SAVED[:-1],
        f"{SAVED}x",
        "<html>",
        "\ud800",
        b"\xff",
        b"\xc3(",
    ),
    *(SAVED.replace(*change) for change in (('"ordering"', '"order"'), ('"created",', "1,"), ('["cus_1"]', '"cus_1"'))),
    *(SAVED.replace(*change) for change in (('["cus_1"]', "[1]"), ('["cus_1"]', "null"), (".000001Z", ""))),
    *(SAVED.replace(*change) for change in (("2031-05-05T", "tomorrow "), ('"2031-05-05T12:00:00.000001Z"', "null"))),
    SAVED.replace('"created",', '"name",', 1),
    *('{"newer":' + "[" * 100_000, SAVED.replace('"query"', '"newer":' + "[" * 100_000 + "]" * 100_000 + ',"query"')),
]


@pytest.mark.parametrize(
    ("field", "values", "expected"),
    [
        ("ordering", ("name", "", None, ["created"]), 'expected "created" or "-created"'),
        (
            "created",
            (NOON.replace(tzinfo=None), "2031-05-05T12:00:00Z", None, NOON.date()),
            "expected an aware datetime",
        ),
        ("ids", ("c149", b"c149", None, [3], {"a": 1}, ["a", None]), "expected a set of customer ids"),
        ("query", (None, b"q", 3), "expected the query of another checkpoint"),
    ],
)
def test_invalid_fields(field: str, values: tuple[Any, ...], expected: str) -> None:
    """A checkpoint that no listing can be resumed from is a `QueryError` that names the field."""
    fields = {"ordering": "created", "created": NOON, "ids": frozenset({"a"}), "query": "q"}
    assert Checkpoint(**fields)  # type: ignore[arg-type]
    for value in values:
        with pytest.raises(QueryError) as caught:
            Checkpoint(**fields | {field: value})
        assert str(caught.value).startswith(f"{field}={value!r}: {expected}")


@pytest.mark.parametrize("ids", [{"a", "b"}, ["a", "b"], ("b", "a"), frozenset("ab"), {"a": 1, "b": 2}.keys()])
def test_ids(ids: Any) -> None:
    """Ids may be any set or list of text."""
    assert Checkpoint(ordering="created", created=NOON, ids=ids, query="q").ids == frozenset("ab")


@pytest.mark.parametrize("text", BAD, ids=[repr(text)[:50] for text in BAD])
def test_invalid(text: str | bytes) -> None:
    """Anything else is a `QueryError`, which is a `ValueError`."""
    with pytest.raises(QueryError) as caught:
        Checkpoint.from_json(text)
    assert isinstance(caught.value, ValueError)
    assert str(caught.value).startswith(f"text={text!r}"[:200])  # longer text is cut
    assert ": expected JSON from Checkpoint.to_json: " in str(caught.value)
