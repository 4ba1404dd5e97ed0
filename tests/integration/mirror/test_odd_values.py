"""Values that a database could stumble over are stored and read back as they are."""

import random
from decimal import Decimal

import pytest

from piriod_async import CustomerStatus
from piriod_async.mirror import Mirror
from piriod_async.testing import MockServer
from tests.support.mirrors import query

pytestmark = pytest.mark.usefixtures("no_leaks")


async def test_odd_values(database):
    """NUL, quotes, emoji, huge amounts, unknown statuses and the first day of the calendar survive."""
    customers = [
        {"name": "a\0b", "email": "\0", "metadata": {"k\0": "\0"}},
        {"name": "'; drop table piriod_versions; --", "tax_id": '"?%s%%'},
        {"name": "👩‍👩‍👧 Ñandú 株式会社", "reference": "a\r\nb"},
        {
            "aggregations": {"sales": Decimal("1e30"), "balance": Decimal("-0.0000000001")},
            "status": CustomerStatus("raro"),
        },
        {"created": "0001-01-01T00:00:00Z", "updated": None},
        {"created": "9999-12-31T23:59:59.999999Z"},
        {"metadata": {"n": [1, None, {"a": 1.5}], "big": 10**30}},
    ]
    async with MockServer(customers) as server, server.session() as piriod, Mirror(database) as mirror:
        assert (await mirror.sync(piriod.customers())).added == len(customers)
        assert (await mirror.sync(piriod.customers())).unchanged == len(customers)
        expected = {customer.id: customer for customer in await piriod.customers().collect()}
        assert {customer.id: customer async for _, customer in mirror.customers()} == expected
        [(_, found)] = await mirror.find(tax_id='"?%s%%')
        assert found == expected[found.id]
        [(sales,)] = query(database, "select sales from customers where status = ?", "raro")
        assert Decimal(sales) == Decimal("1e30")
        for customer in server.customers()[:2]:
            server.remove(customer["id"])
        sync = await mirror.sync(piriod.customers(ordering="-created"))
        assert (sync.removed, sync.unchanged) == (2, len(customers) - 2)


async def test_long_text(database):
    """A reference, e-mail and tax id of any length are stored and found."""
    text = "".join(map(chr, random.Random(1).choices(range(0x4E00, 0x9FFF), k=5_000)))
    customers = [{"reference": text, "email": text, "tax_id": text}]
    async with MockServer(customers) as server, server.session() as piriod, Mirror(database) as mirror:
        await mirror.sync(piriod.customers())
        for field in ("reference", "email", "tax_id"):
            assert len(await mirror.find(**{field: text})) == 1


async def test_odd_id(database):
    """An id with NUL is compared, asked for again and read back as it is."""
    customers = [{"id": "cus\0"}, {"id": "cus_2"}]
    async with MockServer(customers) as server, server.session() as piriod, Mirror(database) as mirror:
        await mirror.sync(piriod.customers())
        assert (await mirror.sync(piriod.customers())).unchanged == 2
        assert {customer.id async for _, customer in mirror.customers()} == {"cus\0", "cus_2"}
        server.remove("cus\0")
        assert (await mirror.sync(piriod.customers())).removed == 1
        assert [change.id async for change in mirror.changes(since=2)] == ["cus\0"]
