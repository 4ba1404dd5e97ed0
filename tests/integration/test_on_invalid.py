"""Records that cannot be decoded: an error right before the first of them, or everything else and a list of them."""

import logging
from typing import Any

import msgspec
import pytest

from piriod_async import Checkpoint, DecodeError, InvalidRecord, PiriodSession, QueryError
from piriod_async.testing.mock_server import OMITTED, MockServer, Unchecked

pytestmark = pytest.mark.usefixtures("no_leaks")

each_way = pytest.mark.parametrize("ordering", ["created", "-created", "name", None])
both_ways = pytest.mark.parametrize("ordering", ["created", "-created"])
BROKEN: dict[str, dict[str, Any]] = {  # fields of a record, by what is wrong with it
    "text": {"phone": Unchecked(5)},
    "not JSON": {"metadata": Unchecked({"a": msgspec.Raw(b"NaN")})},
    "nested": {"metadata": Unchecked(msgspec.Raw(b"[" * 20_000 + b"]" * 20_000))},
    "amount": {"aggregations": Unchecked({"balance": msgspec.Raw(b"1e-50000000")})},
}
UNPLACED: dict[str, dict[str, Any]] = {
    "no id": {"id": OMITTED},
    "null id": {"id": Unchecked(None)},
    "no created": {"created": OMITTED},
    "null created": {"created": None},
    "unreadable created": {"created": Unchecked("yesterday")},
}


def in_order(server: MockServer, ordering: str | None) -> list[str]:
    """Return the ids of all customers in the order of a listing."""
    rows = server.customers()
    if ordering == "name":
        rows.sort(key=lambda row: row["name"])
    ids = [row["id"] for row in rows]
    return ids if ordering in ("created", "name") else ids[::-1]


def numbered(count: int) -> MockServer:
    """Return a server whose customers have names that sort like their times."""
    server = MockServer(0)
    for number in range(count):
        server.add(id=f"cus_{number:04}", name=f"{number:04}")
    return server


async def read_until_error(piriod: PiriodSession, **query: Any) -> tuple[list[str], DecodeError, Checkpoint | None]:
    """Return the ids delivered before the error, the error, and the checkpoint of the listing."""
    ids = []
    listing = piriod.customers(**query)
    try:
        async for customer in listing:
            ids.append(customer.id)  # noqa: PERF401 (ids before the error count)
    except DecodeError as error:
        return ids, error, listing.checkpoint
    pytest.fail("no error")


@each_way
@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("position", [0, 1, 149, 199, 349])
async def test_raise(position: int, kind: str, ordering: str | None) -> None:
    """Everything before the record is delivered, nothing is requested again, and a resumed listing starts with it."""
    async with numbered(350) as server, server.session() as piriod:
        expected = in_order(server, ordering)
        broken = expected[position]
        good = {name: row for row in server.customers() if row["id"] == broken for name, row in row.items()}
        server.update(broken, **BROKEN[kind])
        ids, error, checkpoint = await read_until_error(piriod, ordering=ordering)
        assert ids == expected[:position]
        assert error.record_id == broken
        assert error.path.startswith("results[")
        assert broken in str(error)
        assert (error.retryable, error.attempts, error.workspace) == (False, 1, "acc_mock")
        assert error.checkpoint == checkpoint
        assert len({request.query for request in server.requests}) == len(server.requests)
        if ordering not in ("created", "-created"):
            assert checkpoint is None
            return
        assert (checkpoint is None) is (position == 0)
        rest, again, _ = await read_until_error(piriod, ordering=ordering, after=checkpoint)
        assert (rest, again.record_id) == ([], broken)
        server.update(broken, **{name: good[name] for name in BROKEN[kind]})
        rest = [customer.id async for customer in piriod.customers(ordering=ordering, after=checkpoint)]
        assert rest == expected[position:]


@each_way
@pytest.mark.parametrize("kind", BROKEN)
async def test_skip(kind: str, ordering: str | None, caplog: pytest.LogCaptureFixture) -> None:
    """Everything else is delivered; the records are listed, counted, and logged once each, without their values."""
    async with numbered(350) as server, server.session() as piriod:
        expected = in_order(server, ordering)
        broken = [expected[position] for position in (0, 98, 99, 100, 200, 349)]
        for id_ in broken:
            server.update(id_, email="secret@example.cl", **BROKEN[kind])
        listing = piriod.customers(ordering=ordering, on_invalid="skip")
        assert (list(listing.invalid), listing.invalid.total) == ([], 0)
        caplog.set_level(logging.INFO, "piriod_async")
        ids = [customer.id async for customer in listing]
        assert ids == [id_ for id_ in expected if id_ not in broken]
        assert [record.record_id for record in listing.invalid] == broken
        assert all(record.raw.startswith(b"{") and isinstance(record, InvalidRecord) for record in listing.invalid)
        assert (listing.invalid.total, listing.progress.invalid, listing.progress.delivered) == (6, 6, 344)
        warnings = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
        assert len(warnings) == 6
        assert all(id_ in text for id_, text in zip(broken, warnings, strict=True))
        assert "secret" not in caplog.text
        assert [record.record_id for record in piriod.customers().invalid] == []


@pytest.mark.parametrize("fields", [{"phone": Unchecked(5)}, {"name": Unchecked(msgspec.Raw(rb'"\ud83d"'))}])
async def test_log_lines(fields: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    """Anyone can choose an id: log lines and the text of a record are lines of limited length, that control nothing."""
    caplog.set_level(logging.DEBUG, "piriod_async")
    async with MockServer(0) as server, server.session() as piriod:
        server.add(id="\x1b[31mcus\n" + "1" * 10_000, **fields)
        listing = piriod.customers(on_invalid="skip")
        await listing.collect()
    lines = [*caplog.messages, *map(str, listing.invalid)]
    assert any("customer \ufffd[31mcus 1" in line for line in lines)
    assert all(line.replace("\ufffd", "").isprintable() and len(line) <= 1_000 for line in lines)


async def test_skip_pages() -> None:
    """A page of which all records are invalid is not delivered."""
    async with numbered(350) as server, server.session() as piriod:
        for number in range(100):
            server.update(f"cus_{number:04}", phone=Unchecked(5))
        listing = piriod.customers(on_invalid="skip")
        pages = [page async for page in listing.pages()]
        assert all(page.customers for page in pages)
        assert sum(len(page.customers) for page in pages) == 250
        assert listing.invalid.total == 100


@both_ways
@pytest.mark.parametrize("kind", UNPLACED)
@pytest.mark.parametrize("position", [0, 57, 99, 100, 101, 150, 249, 250])
async def test_skip_unplaced(position: int, kind: str, ordering: str) -> None:
    """In a listing by `created`, a record without an id or a `created` is invalid, wherever it is, and listed once."""
    async with numbered(251) as server, server.session() as piriod:
        expected = in_order(server, ordering)
        broken = expected.pop(position)
        server.update(broken, **UNPLACED[kind])
        listing = piriod.customers(ordering=ordering, on_invalid="skip")
        assert [customer.id async for customer in listing] == expected
        assert [record.path.partition(".")[2] for record in listing.invalid] == [kind.rpartition(" ")[2]]


@both_ways
@pytest.mark.parametrize("kind", UNPLACED)
@pytest.mark.parametrize("position", [0, 57, 100, 150, 250])
async def test_raise_unplaced(position: int, kind: str, ordering: str) -> None:
    """Such a record raises an error after everything before it."""
    async with numbered(251) as server, server.session() as piriod:
        expected = in_order(server, ordering)
        server.update(expected[position], **UNPLACED[kind])
        ids, error, checkpoint = await read_until_error(piriod, ordering=ordering)
        assert ids == expected[:position]
        assert error.record_id == (None if "id" in kind.split() else expected[position])
        assert error.checkpoint == checkpoint
        rest, *_ = await read_until_error(piriod, ordering=ordering, after=checkpoint)
        assert rest == []


@pytest.mark.parametrize("ordering", ["name", None])
async def test_skip_without_id(ordering: str | None) -> None:
    """By page number, a record without an id is invalid, and counts as a row; one without `created` is a customer."""
    async with numbered(251) as server, server.session() as piriod:
        expected = in_order(server, ordering)
        lost, _, undated = expected[120], expected[121], expected[122]
        server.update(lost, id=Unchecked(None))
        server.update(undated, created=None)
        listing = piriod.customers(ordering=ordering, on_invalid="skip")
        assert [customer.id async for customer in listing] == [id_ for id_ in expected if id_ != lost]
        assert [record.path for record in listing.invalid] == ["results[20].id"]


@pytest.mark.parametrize(
    "fields", [{"id": Unchecked(None)}, {"phone": Unchecked(5)}, {"created": Unchecked("yesterday")}]
)
async def test_one_page(fields: dict[str, Any]) -> None:
    """In a list of one page, the neighbours cost one request."""
    async with numbered(3) as server, server.session() as piriod:
        server.update("cus_0001", **fields)
        listing = piriod.customers(on_invalid="skip")
        assert [customer.id async for customer in listing] == ["cus_0000", "cus_0002"]
        assert len(listing.invalid) == len(server.requests) == 1


@each_way
async def test_first_and_count(ordering: str | None) -> None:
    """A count includes invalid records; the first customer is the first one that is valid, or an error."""
    async with numbered(5) as server, server.session() as piriod:
        first, second, *_ = in_order(server, ordering)
        server.update(first, phone=Unchecked(5))
        strict, skipping = piriod.customers(ordering=ordering), piriod.customers(ordering=ordering, on_invalid="skip")
        assert (await strict.count(), await skipping.count()) == (5, 5)
        with pytest.raises(DecodeError, match=first):
            await strict.first()
        assert len(server.requests) == 3
        found = await skipping.first()
        assert found
        assert found.id == second
        for id_ in in_order(server, ordering):
            server.update(id_, phone=Unchecked(5))
        assert await skipping.first() is None


@both_ways
async def test_resume_after_skipping(ordering: str) -> None:
    """A checkpoint covers the records that were skipped before it, so that they are not listed again."""
    async with numbered(350) as server, server.session() as piriod:
        expected = in_order(server, ordering)
        broken = [*expected[95:105], *expected[345:]]
        for id_ in broken:
            server.update(id_, phone=Unchecked(5))
        first = piriod.customers(ordering=ordering, on_invalid="skip")
        ids, skipped = [], []
        async with first:
            async for page in first.pages():
                ids += [customer.id for customer in page.customers]
                if len(first.invalid) >= 5:
                    break
        skipped += [record.record_id for record in first.invalid]
        rest = piriod.customers(ordering=ordering, on_invalid="skip", after=first.checkpoint)
        ids += [customer.id async for customer in rest]
        skipped += [record.record_id for record in rest.invalid]
        assert ids == [id_ for id_ in expected if id_ not in broken]
        assert skipped == broken


async def test_bounded() -> None:
    """The first thousand invalid records are kept; the others are counted."""
    async with numbered(1_250) as server, server.session() as piriod:
        for number in range(1_200):
            server.update(f"cus_{number:04}", phone=Unchecked(5))
        listing = piriod.customers(on_invalid="skip")
        assert len(await listing.collect()) == 50
        assert (len(listing.invalid), listing.invalid.total, listing.progress.invalid) == (1_000, 1_200, 1_200)
        assert listing.invalid[-1].record_id == "cus_0999"
        assert [record.record_id for record in listing.invalid[:2]] == ["cus_0000", "cus_0001"]
        assert repr(listing.invalid).startswith("<1200 invalid records: [InvalidRecord(path=")


async def test_across() -> None:
    """Of many workspaces, the invalid records are listed by workspace, or are errors with a checkpoint."""
    async with MockServer({"acc_1": 250, "acc_2": 3, "acc_3": 120}) as server, server.session() as piriod:
        broken = {id_: server.customers(id_)[-1]["id"] for id_ in ("acc_1", "acc_3")}
        for id_ in broken.values():
            server.update(id_, phone=Unchecked(5))
        listing = piriod.across(server.workspaces, on_invalid="skip")
        assert listing.invalid == {}
        customers = await listing.collect()
        assert {name: len(each) for name, each in customers.items()} == {"acc_1": 249, "acc_2": 3, "acc_3": 119}
        assert {name: [each.record_id for each in records] for name, records in listing.invalid.items()} == {
            name: [id_] for name, id_ in broken.items()
        }
        assert listing.progress.invalid == 2
        failing = piriod.across(server.workspaces, on_error="collect")
        delivered = [(workspace, customer.id) async for workspace, customer in failing]
        assert len(delivered) == 249 + 3 + 119
        assert failing.errors.keys() == broken.keys()
        for workspace, error in failing.errors.items():
            assert isinstance(error, DecodeError)
            assert (error.record_id, error.workspace) == (broken[workspace], workspace)
            rest = piriod.customers(workspace=workspace, after=error.checkpoint, on_invalid="skip")
            assert await rest.collect() == []
            assert rest.invalid.total == 1


@pytest.mark.parametrize("value", ["ignore", None, True, ["skip"]])
def test_invalid_argument(value: Any) -> None:
    """Anything but "raise" and "skip" is a `QueryError`."""
    piriod = PiriodSession("token", "acc_1")
    for make in (piriod.customers, lambda **options: piriod.across(["acc_1"], **options)):
        with pytest.raises(QueryError, match=r'on_invalid=.*: expected "raise" or "skip"'):
            make(on_invalid=value)
