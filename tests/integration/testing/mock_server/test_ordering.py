"""Ties in random order."""

from datetime import UTC, datetime, timedelta

from tests.support.raw_client import serve

NOON = datetime(2031, 5, 5, 12, tzinfo=UTC)


async def test_shuffled_ties() -> None:
    """With `tie_order="shuffled"` each request sees the ties in another order, also across the edges of a page."""
    async with serve(0, tie_order="shuffled") as (server, client):
        first, *ties, last = [server.add(created=NOON + timedelta(seconds=n)) for n in (0, *[1] * 30, 2)]
        orders = [await client.ids("ordering=created&page_size=100") for _ in range(3)]
        assert orders[0] != orders[1] != orders[2]
        assert all(order[0] == first and order[-1] == last for order in orders)
        assert all(set(order[1:-1]) == set(ties) for order in orders)
        middle = [await client.ids("ordering=created&page_size=10&page=2") for _ in range(3)]
        assert len({*middle[0], *middle[1], *middle[2]}) > 10
        assert all(len(set(ids)) == 10 and set(ids) < set(ties) for ids in middle)
