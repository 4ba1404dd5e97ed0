"""Datetimes of other classes, as pandas, pendulum and others have them."""

import copy
import pickle
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from piriod_async import Checkpoint, Customer, CustomerQuery, PiriodSession, QueryError
from piriod_async.datetimes import standard_datetime
from piriod_async.export import CsvEncoder, JsonLinesEncoder
from piriod_async.export.arrow_format import ArrowStreamEncoder
from piriod_async.testing.mock_server import MockServer

NOON = datetime(2031, 5, 5, 12, 0, 0, 1, tzinfo=UTC)
SANTIAGO = ZoneInfo("America/Santiago")


class Subclass(datetime):
    """As `pendulum.DateTime`: another repr, and arithmetic that returns the subclass."""

    def __repr__(self) -> str:
        return "DateTime(…)"


class Timestamp(datetime):
    """As `pandas.Timestamp`: with nanoseconds."""

    nanosecond = 1


class NaT(datetime):
    """As `pandas.NaT`: an instance of datetime whose parts are not numbers, and that is unequal to itself."""

    year = month = day = hour = minute = second = microsecond = float("nan")  # type: ignore[assignment]

    def utcoffset(self) -> Any:
        return self

    def astimezone(self, tz: tzinfo | None = None) -> Any:  # noqa: ARG002
        return self

    def isoformat(self, *_: Any) -> str:
        return "NaT"

    def __eq__(self, other: object) -> bool:
        return False

    __hash__ = datetime.__hash__

    def __repr__(self) -> str:
        return "NaT"


class BrokenZone(tzinfo):
    """A zone without an offset."""

    def utcoffset(self, _: datetime | None) -> timedelta:
        raise LookupError("no such zone")


PARTS: Any = (2031, 5, 5, 12, 0, 0, 1)
REFUSED: list[tuple[datetime, str]] = [
    (NaT(*PARTS, tzinfo=UTC), "an aware datetime that exists"),
    (NaT(*PARTS), "an aware datetime that exists"),
    (Timestamp(*PARTS, tzinfo=UTC), "an aware datetime without nanoseconds"),
    (Timestamp(*PARTS), r"an aware datetime \(with tzinfo\)"),
    (Subclass(*PARTS), r"an aware datetime \(with tzinfo\)"),
    (datetime(*PARTS, tzinfo=BrokenZone()), "an aware datetime that exists"),
    (datetime(*PARTS, tzinfo=tzinfo()), "an aware datetime that exists"),
]
USES: dict[str, Callable[[datetime], Any]] = {
    "created__gte": lambda value: CustomerQuery(created__gte=value).created__gte,
    "created__lte": lambda value: CustomerQuery(created__lte=value).created__lte,
    "created": lambda value: Checkpoint(ordering="created", created=value, ids=frozenset(), query="q").created,
}


@pytest.mark.parametrize("name", USES)
@pytest.mark.parametrize(("value", "expected"), REFUSED, ids=lambda value: type(value).__name__)
def test_refused(value: datetime, expected: str, name: str) -> None:
    """A value that is not a moment is a `QueryError`, and no other exception."""
    with pytest.raises(QueryError, match=rf"^{name}=.*: expected {expected}"):
        USES[name](value)


@pytest.mark.parametrize("name", USES)
@pytest.mark.parametrize("zone", [UTC, SANTIAGO, timezone(timedelta(hours=-5, seconds=-1))])
def test_subclass(zone: tzinfo, name: str) -> None:
    """A subclass becomes the same moment as a standard datetime."""
    value = Subclass(*PARTS, tzinfo=zone)
    standard = USES[name](value)
    assert type(standard) is datetime
    assert (standard, standard.utcoffset(), standard.replace(tzinfo=None)) == (
        value,
        value.utcoffset(),
        datetime(*PARTS),  # noqa: DTZ001
    )


def test_clocks_set_back() -> None:
    """In the hour that comes twice, bounds are compared as moments, not by wall clock."""
    first = datetime(2026, 4, 4, 23, 30, tzinfo=SANTIAGO)
    second = datetime(2026, 4, 4, 23, 10, fold=1, tzinfo=SANTIAGO)
    assert first > second  # by wall clock
    query = CustomerQuery(created__gte=first, created__lte=second)
    assert dict(query.filter_params(query.created__gte, query.created__lte))["created__gte"] == "2026-04-05T02:30:00Z"
    with pytest.raises(QueryError, match="expected an instant no later than"):
        CustomerQuery(created__gte=second, created__lte=first)


def test_query() -> None:
    """A query with a subclass sends the moment, and can be copied and pickled."""
    query = CustomerQuery(created__gte=Subclass(*PARTS, tzinfo=UTC))
    assert dict(query.filter_params(query.created__gte, None))["created__gte"] == "2031-05-05T12:00:00.000001Z"
    for twin in (pickle.loads(pickle.dumps(query)), copy.deepcopy(query), CustomerQuery(created__gte=NOON)):
        assert (twin, hash(twin)) == (query, hash(query))


def test_checkpoint() -> None:
    """A checkpoint with a subclass has the same JSON as one with a standard datetime."""
    texts = {
        Checkpoint(ordering="created", created=created, ids=frozenset("a"), query="q").to_json()
        for created in (NOON, Subclass(*PARTS, tzinfo=UTC))
    }
    assert len(texts) == 1


@pytest.mark.parametrize("encoder", [JsonLinesEncoder(), CsvEncoder(), ArrowStreamEncoder()])
def test_export(encoder: Any) -> None:
    """Customers with a subclass are exported as those with a standard datetime."""
    outputs = {
        encoder.encode([Customer(id="cus_1", created=created)]) for created in (NOON, Subclass(*PARTS, tzinfo=UTC))
    }
    assert len(outputs) == 1


async def test_mock_server() -> None:
    """The mock server takes a subclass, anywhere in a customer."""
    noon = Subclass(*PARTS, tzinfo=UTC)
    async with MockServer(0) as server, server.session() as piriod:
        server.add(created=noon, contacts=[{"name": "Ana", "created": noon}], metadata={"at": noon})
        [customer] = await piriod.customers().collect()
        assert customer.created == customer.contacts[0].created == NOON
        assert server.customers()[0]["metadata"] == {"at": NOON}
        with pytest.raises(ValueError, match="created=NaT: expected a JSON value"):
            server.add(created=REFUSED[0][0])


def test_standard() -> None:
    """A standard datetime keeps its moment and its offset."""
    for value in (NOON, datetime.max.replace(tzinfo=timezone(-timedelta(hours=1))), datetime.min.replace(tzinfo=UTC)):
        assert (standard_datetime(value), standard_datetime(value).utcoffset()) == (value, value.utcoffset())
    assert standard_datetime(NOON).tzinfo is UTC


def test_no_session() -> None:
    """A listing refuses such values before anything is sent."""
    with pytest.raises(QueryError, match="created__gte=NaT: expected an aware datetime that exists"):
        PiriodSession("token", "acc_1").customers(created__gte=REFUSED[0][0])
