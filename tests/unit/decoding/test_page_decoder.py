"""The page decoder: strict or lenient decoding per record, errors of a body, and its turns on the event loop."""

import asyncio
import json
from collections.abc import Awaitable
from typing import TypeVar

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from piriod_async import Customer, DecodeError, State
from piriod_async.decoding.page_decoder import PageDecoder
from piriod_async.pagination.raw_page import RawPage
from piriod_async.testing.mock_server import MockServer
from tests.unit.decoding.samples import GOOD, RECORD, page_around, page_of, record, typed

T = TypeVar("T")


async def decode(body: bytes) -> tuple[Customer, ...]:
    """Decode the customers of a page."""
    return await PageDecoder().decode_customers(RawPage(keys=(), count=0, raw=body))


async def refusal(body: bytes) -> DecodeError:
    """Return the error that decoding the customers of a page raises."""
    with pytest.raises(DecodeError) as caught:
        await decode(body)
    assert caught.value.attempts == 1
    return caught.value


async def test_contract() -> None:
    """A page as the contract describes it is decoded: first its keys, then its customers."""
    body = page_of(RECORD, count=142)
    decoder = PageDecoder()
    page = await decoder.decode_keys(body)
    assert [(key.id, key.created) for key in page.keys] == [(GOOD.id, GOOD.created)]
    assert (page.count, page.raw, page.customers) == (142, body, None)
    assert typed(await decoder.decode_customers(page)) == typed((GOOD,))


async def test_empty_page() -> None:
    """A page without records has no customers."""
    page = await PageDecoder().decode_keys(page_of())
    assert (list(page.keys), page.count) == ([], 0)
    assert await decode(page_of()) == ()


async def test_lenient_record() -> None:
    """A record that does not conform leaves its neighbours as they are."""
    expected = [attrs.evolve(GOOD, id=f"cus_{name}") for name in "abcde"]
    expected[2] = attrs.evolve(expected[2], state=State(id="IL"))
    assert typed(await decode(page_around(record(id="cus_c", state="IL")))) == typed(tuple(expected))


async def test_lenient_key() -> None:
    """If a key does not conform, the customers are decoded with the keys, and only once."""
    body = page_of(record(id="cus_a"), record(id="cus_b", created=""), count=142)
    decoder = PageDecoder()
    page = await decoder.decode_keys(body)
    customers = (attrs.evolve(GOOD, id="cus_a"), attrs.evolve(GOOD, id="cus_b", created=None))
    assert (page.keys, page.count, page.raw, page.customers) == (customers, 142, body, customers)
    assert await decoder.decode_customers(page) is page.customers


async def test_one_of_a_hundred() -> None:
    """One record that does not conform is decoded in its place."""
    customers = await decode(page_of(*(record(id=f"cus_{n}", state="IL" if n == 57 else None) for n in range(100))))
    assert [customer.id for customer in customers] == [f"cus_{n}" for n in range(100)]
    assert [n for n, customer in enumerate(customers) if customer.state] == [57]
    assert customers[57] == attrs.evolve(GOOD, id="cus_57", state=State(id="IL"))


async def test_unreadable_record() -> None:
    """The error has the index of the record, and the same request would fail again."""
    error = await refusal(page_of(*[RECORD] * 17, record(id="cus_x", created="yesterday"), RECORD))
    assert (error.path, error.record_id, error.retryable) == ("results[17].created", "cus_x", False)


async def test_first_problem() -> None:
    """The first record that cannot be decoded is the one in the error."""
    error = await refusal(page_of(record(id="cus_a", state="IL"), record(id="cus_b", name=1), record(created="x")))
    assert (error.path, error.record_id) == ("results[1].name", "cus_b")


async def test_unreadable_key() -> None:
    """A key that cannot be decoded is an error before the page is delivered; another field is not."""
    number = b"1e99999999999999999999"
    with pytest.raises(DecodeError, match=r"results\[2\]: number out of range"):
        await PageDecoder().decode_keys(page_around(record(id="?")).replace(b'"?"', number))
    for name in ("zip_code", "aggregations"):
        body = page_around(record(**{name: "?"})).replace(b'"?"', number)
        assert len((await PageDecoder().decode_keys(body)).keys) == 5
        with pytest.raises(DecodeError, match=r"results\[2\]"):
            await decode(body)


async def test_listing() -> None:
    """A listing raises the error of the record, and reads on once the record is repaired."""
    async with MockServer(150) as server, server.session() as piriod:
        broken = server.customers()[120]["id"]
        server.update(broken, phone=5)
        with pytest.raises(DecodeError, match=r"results\[\d+\]\.phone: 5 is not text") as caught:
            await piriod.customers().collect()
        assert (caught.value.record_id, caught.value.attempts) == (broken, 1)
        server.update(broken, phone="")
        assert len(await piriod.customers().collect()) == 150


BODIES = [
    *(
        b"",
        b" ",
        b"[]",
        b"null",
        b"3",
        b'"text"',
        b"{}",
        b'{"detail": "Not found."}',
        b"<!doctype html><title>Hola</title>",
    ),
    *(b'{"count": 1}', b'{"results": []}', b'{"count": "1", "results": []}', b'{"count": null, "results": []}'),
    *(b'{"count": 1.5, "results": []}', b'{"count": 1, "results": null}', b'{"count": 1, "results": {}}'),
    *(b'{"count": 1, "results": [', b'{"count": 1, "results": [{"id": }]}', b'{"count": 0, "results": []} x'),
    *(page_of(RECORD)[:-1], page_of(RECORD)[:-40], b"\xef\xbb\xbf" + page_of(), page_of().decode().encode("utf-16")),
    *(b"\xff\xfe", b"[" * 100_000, b'{"count":' * 100_000, b'{"count":1,"results":' + b"[" * 100_000),
    b'{"count":1,"results":[],"next":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
]


@pytest.mark.parametrize("body", BODIES, ids=[str(body)[:50] for body in BODIES])
async def test_not_a_page(body: bytes) -> None:
    """A body that is not a page of customers may be a proxy's or cut off, so the request can be retried."""
    with pytest.raises(DecodeError) as caught:
        await PageDecoder().decode_keys(body)
    for error in (caught.value, await refusal(body)):
        assert str(error).startswith("the body is not a page of customers: ")
        assert len(str(error)) < 500
        assert (error.path, error.record_id, error.retryable) == ("", None, True)


@pytest.mark.parametrize("text", [b"NaN", b"Infinity", b"-Infinity"])
async def test_bare_nan(text: bytes) -> None:
    """NaN and infinity are not JSON, so the body is not a page."""
    assert (await refusal(page_of(b'{"id": "c", "name": "N", "aggregations": {"sales": %b}}' % text))).retryable


@pytest.mark.parametrize("text", [rb"\ud800", rb"\udfff", rb"\ud83d x", rb"\ud800\ud800", rb"\udc00\ud800"])
async def test_lone_surrogate(text: bytes) -> None:
    """A lone surrogate is not JSON in any field, so the body is not a page."""
    for name in (b"name", b"phone", b"unknown"):
        error = await refusal(page_around(b'{"id": "cus_x", "name": "N", "%b": "%b"}' % (name, text)))
        assert "malformed" in str(error)
        assert error.retryable


async def test_body_in_the_message() -> None:
    """The message shows how the body begins."""
    assert "('<!doctype html><title>Hola" in str(await refusal(b"<!doctype html><title>Hola</title>"))
    assert "('\ufffd\ufffd'…)" in str(await refusal(b"\xff\xfe"))


async def test_bad_utf_8_in_the_envelope() -> None:
    """Bad UTF-8 outside of the records does not matter."""
    assert await decode(page_of(RECORD).replace(b'"next": null', b'"next": "\xff"')) == (GOOD,)


async def test_bad_utf_8_in_a_record() -> None:
    """Bad UTF-8 in a record is an error of that record."""
    error = await refusal(page_around(b'{"id": "cus_x", "name": "\xff"}'))
    assert (error.path, error.record_id, error.retryable) == ("results[2]", "cus_x", False)


@pytest.mark.parametrize("state", [b"null", b'"IL"'])
async def test_bad_utf_8_in_an_unread_field(state: bytes) -> None:
    """Bad UTF-8 in a field that is not read does not matter, however the record is decoded."""
    raw = b'{"id": "cus_x", "name": "N", "x": "\xff", "y": 1e999, "state": %b}' % state
    assert (await decode(page_around(raw)))[2].id == "cus_x"


async def test_extreme_nesting() -> None:
    """A record that is nested too deeply is an error."""
    await refusal(
        page_around(b'{"id": "c", "name": "N", "metadata": %b}' % (b'{"a":' * 100_000 + b"1" + b"}" * 100_000))
    )


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=20), st.integers(0, 1_500), st.integers(0, 20))
async def test_any_bytes(noise: bytes, start: int, length: int) -> None:
    """A damaged body raises nothing but `DecodeError`; it can be retried unless only one record is damaged."""
    body = page_of(json.dumps(RECORD, ensure_ascii=False).encode(), record(state="IL"))
    try:
        await decode(body[:start] + noise + body[start + length :])
    except DecodeError as error:
        in_a_record = error.path.startswith("results[")
        assert error.retryable is not in_a_record  # noqa: PT017 (most pages are fine)


async def counting_iterations(work: Awaitable[T]) -> tuple[T, int]:
    """Return the result, and the number of iterations of the event loop that it took."""
    iterations = 0

    async def count() -> None:
        nonlocal iterations
        while True:
            iterations += 1
            await asyncio.sleep(0)

    counter = asyncio.create_task(count())
    await asyncio.sleep(0)
    before = iterations
    result = await work
    counted = iterations - before
    counter.cancel()
    await asyncio.gather(counter, return_exceptions=True)
    return result, counted


@pytest.mark.parametrize("lenient", [0, 1, 100])
async def test_loop_runs_after_each_lenient_record(lenient: int) -> None:
    """The event loop runs once after each record that is decoded leniently, and not at all for a conforming page."""
    body = page_of(*(record(id=f"cus_{n}", state="IL" if n < lenient else None) for n in range(100)))
    customers, iterations = await counting_iterations(decode(body))
    assert len(customers) == 100
    assert sum(customer.state == State(id="IL") for customer in customers) == lenient
    assert iterations == lenient


async def test_lenient_pages_one_at_a_time() -> None:
    """Pages whose keys do not conform are decoded one after the other."""
    decoder = PageDecoder()
    bodies = [page_of(*(record(id=f"{page}/{n}", created="") for n in range(20))) for page in range(5)]
    pages, iterations = await counting_iterations(asyncio.gather(*map(decoder.decode_keys, bodies)))
    assert iterations >= 5 * 20
    assert [key.id for page in pages for key in page.keys] == [f"{p}/{n}" for p in range(5) for n in range(20)]


async def test_one_page_per_iteration() -> None:
    """Pages that are ready together are decoded in as many iterations of the event loop."""
    decoder = PageDecoder()
    page = RawPage(keys=(), count=1, raw=page_of(RECORD))
    _, iterations = await counting_iterations(asyncio.gather(*(decoder.decode_customers(page) for _ in range(10))))
    assert iterations >= 10


def test_another_event_loop() -> None:
    """A decoder can be used on one event loop after another, also if the first was left while it was decoding."""
    decoder = PageDecoder()
    page = RawPage(keys=(), count=1, raw=page_of(RECORD))

    async def decode_twice() -> None:
        await asyncio.gather(decoder.decode_customers(page), decoder.decode_customers(page))

    asyncio.run(decode_twice())
    asyncio.run(decode_twice())
