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
from tests.unit.decoding.pages import customers_of, decode
from tests.unit.decoding.samples import GOOD, RECORD, page_around, page_of, record, typed

T = TypeVar("T")


async def test_contract() -> None:
    """A page as the contract describes it is decoded: first its keys, then its customers."""
    body = page_of(RECORD, count=142)
    decoder = PageDecoder()
    page = await decoder.decode_keys(body)
    assert [(key.id, key.created) for key in page.keys] == [(GOOD.id, GOOD.created)]
    assert (page.count, page.raw, page.rows) == (142, body, 1)
    assert typed(await customers_of(body)) == typed((GOOD,))


async def test_decoded_at_once() -> None:
    """The customers of an awaited response are its keys, and are not decoded again; one odd record makes it wait."""
    decoder = PageDecoder()
    page = await decoder.decode_page(page_of(RECORD, count=142))
    assert (typed(tuple(page.keys)), page.count, page.rows) == (typed((GOOD,)), 142, 1)
    decoded = await decoder.decode_customers(page, by_created=True, reported=set())
    assert decoded.customers[0] is page.keys[0]

    page = await decoder.decode_page(page_of(RECORD, record(id="cus_b", state="IL")))
    assert [key.id for key in page.keys] == [GOOD.id, "cus_b"]
    assert not any(isinstance(key, Customer) for key in page.keys)
    decoded = await decoder.decode_customers(page, by_created=True, reported=set())
    assert [customer.state for customer in decoded.customers] == [GOOD.state, State(id="IL")]


async def test_empty_page() -> None:
    """A page without records has no customers."""
    page = await PageDecoder().decode_keys(page_of())
    assert (list(page.keys), page.count) == ([], 0)
    assert await customers_of(page_of()) == ()


async def test_lenient_record() -> None:
    """A record that does not conform leaves its neighbours as they are."""
    expected = [attrs.evolve(GOOD, id=f"cus_{name}") for name in "abcde"]
    expected[2] = attrs.evolve(expected[2], state=State(id="IL"))
    assert typed(await customers_of(page_around(record(id="cus_c", state="IL")))) == typed(tuple(expected))


async def test_lenient_key() -> None:
    """A key that does not conform is decoded as its customer is."""
    body = page_of(record(id="cus_a"), record(id="cus_b", created=""), count=142)
    page = await PageDecoder().decode_keys(body)
    assert [(key.id, key.created) for key in page.keys] == [("cus_a", GOOD.created), ("cus_b", None)]
    assert (page.count, page.raw, page.rows) == (142, body, 2)
    assert [customer.created for customer in await customers_of(body)] == [GOOD.created, None]


async def test_one_of_a_hundred() -> None:
    """One record that does not conform is decoded in its place."""
    customers = await customers_of(
        page_of(*(record(id=f"cus_{n}", state="IL" if n == 57 else None) for n in range(100)))
    )
    assert [customer.id for customer in customers] == [f"cus_{n}" for n in range(100)]
    assert [n for n, customer in enumerate(customers) if customer.state] == [57]
    assert customers[57] == attrs.evolve(GOOD, id="cus_57", state=State(id="IL"))


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
    error = caught.value
    assert str(error).startswith("the body is not a page of customers: ")
    assert len(str(error)) < 500
    assert (error.path, error.record_id, error.retryable) == ("", None, True)


async def test_body_in_the_message() -> None:
    """The message shows how the body begins."""
    for body, start in (
        (b"<!doctype html><title>Hola</title>", "('<!doctype html><title>Hola"),
        (b"\xff", "('\ufffd'…)"),
    ):
        with pytest.raises(DecodeError) as caught:
            await PageDecoder().decode_keys(body)
        assert start in str(caught.value)


async def test_bad_utf_8_in_the_envelope() -> None:
    """Bad UTF-8 outside of the records does not matter."""
    assert await customers_of(page_of(RECORD).replace(b'"next": null', b'"next": "\xff"')) == (GOOD,)


@pytest.mark.parametrize("state", [b"null", b'"IL"'])
async def test_bad_utf_8_in_an_unread_field(state: bytes) -> None:
    """Bad UTF-8 in a field that is not read does not matter, however the record is decoded."""
    raw = b'{"id": "cus_x", "name": "N", "x": "\xff", "y": 1e999, "state": %b}' % state
    assert (await customers_of(page_around(raw)))[2].id == "cus_x"


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=20), st.integers(0, 1_500), st.integers(0, 20))
async def test_any_bytes(noise: bytes, start: int, length: int) -> None:
    """A damaged body is not a page, and can be requested again, unless only records are damaged."""
    body = page_of(json.dumps(RECORD, ensure_ascii=False).encode(), record(state="IL"))
    try:
        page = await decode(body[:start] + noise + body[start + length :])
    except DecodeError as error:
        assert error.retryable  # noqa: PT017 (most pages are fine)
    else:
        assert all(each.path.startswith("results[") for _, each in page.invalid)


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
    page, iterations = await counting_iterations(decode(body))
    customers = page.customers
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
    page = await decoder.decode_keys(page_of(RECORD))
    waiting = (decoder.decode_customers(page, by_created=True, reported=set()) for _ in range(10))
    awaited = (decoder.decode_page(page_of(RECORD)) for _ in range(10))
    _, iterations = await counting_iterations(asyncio.gather(*waiting, *awaited))
    assert iterations >= 20


def test_another_event_loop() -> None:
    """A decoder can be used on one event loop after another, also if the first was left while it was decoding."""
    decoder = PageDecoder()

    async def decode_twice() -> None:
        await asyncio.gather(*(decoder.decode_page(page_of(RECORD)) for _ in range(2)))

    asyncio.run(decode_twice())
    asyncio.run(decode_twice())
