"""A record that cannot be decoded costs its page nothing else, and is named."""

import logging
from typing import Any

import attrs
import pytest

from piriod_async.decoding import strict
from piriod_async.decoding.page_decoder import PageDecoder
from piriod_async.pagination.raw_page import RawPage
from piriod_async.testing.mock_server import OMITTED
from tests.unit.decoding.pages import customers_of, decode, invalid_in
from tests.unit.decoding.samples import GOOD, page_around, page_of, record, to_json

DEEP = b'{"a":' * 20_000 + b"1" + b"}" * 20_000
# the JSON of a field, which msgspec refuses to parse, or even to skip
NOT_JSON = {
    "NaN": b'{"a": NaN}',
    "Infinity": b"[1, -Infinity]",
    "nested": DEEP,
    "control character": b'{"a": "\n"}',
    "bad UTF-8": b'{"a": "\xff"}',
    "too many digits": b'{"a": ' + b"1" * 5_000 + b"}",
}


def with_json(name: str, value: bytes, **fields: Any) -> bytes:
    """Return the JSON of a record with this JSON in a field, before the id."""
    return b'{"%b": %b, ' % (name.encode(), value) + to_json(**{"id": "cus_x", name: OMITTED, **fields})[1:]


@pytest.mark.parametrize("kind", NOT_JSON)
async def test_not_json(kind: str) -> None:
    """A field that is not JSON is an error of its record, which is named; its neighbours are decoded."""
    raw = with_json("metadata", NOT_JSON[kind])
    found = await invalid_in(page_around(raw))
    assert (found.path, found.record_id, found.raw) == ("results[2].metadata", "cus_x", raw)
    assert str(found) == f"results[2].metadata: {found.reason} (customer cus_x)"
    assert 0 < len(found.reason) < 100


@pytest.mark.parametrize("kind", NOT_JSON)
async def test_not_json_in_an_unread_field(kind: str) -> None:
    """In a field that no customer has, it does not matter."""
    customers = await customers_of(page_around(with_json("unknown", NOT_JSON[kind])))
    assert customers[2] == attrs.evolve(GOOD, id="cus_x")


@pytest.mark.parametrize("kind", NOT_JSON)
async def test_key_of_a_record_that_is_not_json(kind: str) -> None:
    """Such a record has its place in the list."""
    page = await PageDecoder().decode_keys(page_around(with_json("metadata", NOT_JSON[kind])))
    assert [key.id for key in page.keys] == ["cus_a", "cus_b", "cus_x", "cus_d", "cus_e"]
    assert page.keys[2].created == GOOD.created
    assert (page.count, page.rows) == (5, 5)


HALF_PAIRS = {
    rb"\ud800": "\ufffd",
    rb"\uDFFF": "\ufffd",
    rb"\ud83d x": "\ufffd x",
    rb"\ud800\ud800": "\ufffd\ufffd",
    rb"\udc00\ud800": "\ufffd\ufffd",
    rb"\\\ud800": "\\\ufffd",
    rb"\ud800\ud83d\ude42": "\ufffd🙂",
}


@pytest.mark.parametrize("text", HALF_PAIRS)
async def test_half_a_surrogate_pair(text: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """Half a surrogate pair is replaced, which is logged without the text; in an unread field, it does not matter."""
    raw = with_json("phone", rb'"%b \ud83d\ude42 \u00e9 \\ud800"' % text)
    with pytest.raises(strict.DECODE_ERRORS):
        strict.decode_customer(raw)
    customers = await customers_of(page_around(raw))
    assert customers[2].phone == rf"{HALF_PAIRS[text]} 🙂 é \ud800"
    [logged] = caplog.records
    assert (logged.name, logged.levelno) == ("piriod_async", logging.WARNING)
    assert logged.getMessage() == "results[2]: half a surrogate pair became U+FFFD (customer cus_x)"
    caplog.clear()
    assert await customers_of(page_around(with_json("unknown", b'"%b"' % text)))
    assert not caplog.records


async def test_half_a_surrogate_pair_in_the_id() -> None:
    """In an id it is an error, because two ids must not become one."""
    found = await invalid_in(page_around(rb'{"id": "cus_\ud800", "name": "N"}'))
    assert (found.path, found.record_id) == ("results[2].id", None)


@pytest.mark.parametrize("id_", [OMITTED, None, "", 7])
async def test_no_id(id_: Any) -> None:
    """A record without an id has no key, but is a row of the page."""
    body = page_around(record(id=id_))
    page = await PageDecoder().decode_keys(body)
    assert [key.id for key in page.keys] == ["cus_a", "cus_b", "cus_d", "cus_e"]
    assert (page.rows, page.is_complete) == (5, True)
    found = await invalid_in(body)
    assert (found.path, found.record_id) == ("results[2].id", None)


@pytest.mark.parametrize("created", [OMITTED, None, "", "yesterday", "2020-05-12 15:42:09"])
async def test_no_created(created: Any) -> None:
    """A record without `created` has no place in a listing by it, and one anywhere else if its value can be read."""
    body = page_around(record(id="cus_x", created=created))
    page = await PageDecoder().decode_keys(body)
    assert [key.id for key in page.keys] == ["cus_a", "cus_b", "cus_x", "cus_d", "cus_e"]
    dated = page.dated()
    assert [key.id for key in dated.keys] == ["cus_a", "cus_b", "cus_d", "cus_e"]
    assert dated.rows == 5
    [(position, found)] = (await PageDecoder().decode_customers(dated, by_created=True, reported=set())).invalid
    assert (position, found.path, found.record_id) == (2, "results[2].created", "cus_x")
    readable = created in (OMITTED, None, "")
    assert ("ordering=None" in found.reason) is readable
    assert len((await decode(body)).customers) == (5 if readable else 4)


async def test_order() -> None:
    """Records without a place come before the next record that the page adds, or at the end."""
    lost = [record(id=None, name=str(number)) for number in range(4)]
    body = page_of(lost[0], record(id="a"), lost[1], record(id="b", phone=5), lost[2], record(id="c"), lost[3])
    page = await decode(body)
    assert [customer.id for customer in page.customers] == ["a", "c"]
    assert [(position, each.path, each.record_id) for position, each in page.invalid] == [
        (0, "results[0].id", None),
        (1, "results[2].id", None),
        (1, "results[3].phone", "b"),
        (1, "results[4].id", None),
        (2, "results[6].id", None),
    ]


async def test_once() -> None:
    """A record is decoded only by the page that adds it; one without a place, by the first page that has it."""
    lost, undated, broken = record(id=None), record(id="u", created=None), record(id="x", phone=5)
    body = page_of(broken, record(id="a"), lost, undated, record(id="b"))
    decoder, reported = PageDecoder(), set[int]()
    page = (await decoder.decode_keys(body)).dated()

    async def decode_new(*ids: str) -> list[tuple[int, str | None]]:
        new = attrs.evolve(page, keys=[key for key in page.keys if key.id in ids])
        decoded = await decoder.decode_customers(new, by_created=True, reported=reported)
        assert [customer.id for customer in decoded.customers] == [id_ for id_ in ids if id_ != "x"]
        return [(position, each.record_id) for position, each in decoded.invalid]

    assert await decode_new("a") == [(1, None), (1, "u")]
    assert reported == set(page.unplaced_ids)
    assert await decode_new("b") == []
    assert await decode_new("x") == [(0, "x")]
    assert await decode_new() == []


@pytest.mark.parametrize("rest", [b"oops", b'"a" 1', b'"a": {]'])
async def test_nested_and_garbled(rest: bytes) -> None:
    """A record that is nested too deeply to see that it is not JSON is an error of that record."""
    found = await invalid_in(page_around(b'{"id": "cus_x", "metadata": %b, %b}' % (DEEP, rest)))
    assert found.path.startswith("results[2]")
    assert found.raw.endswith(rest + b"}")


async def test_page_of_odd_values() -> None:
    """Values that are not objects are rows as well."""
    page = await decode(page_of(b"null", b"3", b'"a, ]"', b"[NaN, {}]", record(id="a"), b"{}"))
    assert [customer.id for customer in page.customers] == ["a"]
    assert [each.path for _, each in page.invalid] == [
        *(f"results[{index}]" for index in range(4)),
        "results[5].id",
    ]
    assert [position for position, _ in page.invalid] == [0, 0, 0, 0, 1]


@pytest.mark.parametrize(
    "change",
    [
        (b"NaN", b"nan"),
        (b"NaN}", b"NaN"),
        (b"]}", b"]"),
        (b"]}", b"]} x"),
        (b'"count": 5', b'"count": NaN'),
        (b"}, {", b"},, {"),
    ],
)
async def test_not_nearly_json(change: tuple[bytes, bytes]) -> None:
    """A body that is cut off or garbled is not a page, also if a record has what only JSON forbids."""
    body = page_around(with_json("metadata", b'{"a": NaN}'))
    assert isinstance(await PageDecoder().decode_keys(body), RawPage)
    with pytest.raises(Exception, match="the body is not a page of customers") as caught:
        await PageDecoder().decode_keys(body.replace(*change))
    assert caught.value.retryable
