"""A record that cannot be decoded and is skipped: its customer is neither changed nor removed."""

import pytest
from attrs import evolve

from piriod_async import DecodeError
from piriod_async.mirror import Mirror
from piriod_async.testing import MockServer, Unchecked
from tests.support.mirrors import ids_in

pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest.mark.parametrize("field", ["created", "contacts", "id"])
async def test_skipped(database, field):
    """Whatever cannot be read, even the time or the id, its customer stays as it was; the rest is applied."""
    async with MockServer(250) as server, server.session() as piriod, Mirror(database) as mirror:
        await mirror.sync(piriod.customers())
        odd, gone, *_, changed = server.customers()[120:140]
        server.remove(gone["id"])
        server.update(changed["id"], name="Otro")
        server.update(odd["id"], name="Otro", **({} if field == "id" else {field: Unchecked("odd")}))
        if field == "id":
            page = server._list
            server._list = lambda *args: _without_id(page(*args), odd["id"])
        sync = await mirror.sync(piriod.customers(on_invalid="skip"))
        assert sync.invalid == 1
        assert sync.changed == 1
        assert odd["id"] in await ids_in(mirror)
        assert (await mirror.find(id=odd["id"]))[0][1].name == odd["name"]
        # without an id, it may be any of those who seem gone in that range
        assert (sync.removed, gone["id"] in await ids_in(mirror)) == ((0, True) if field == "id" else (1, False))
        with pytest.raises(DecodeError):
            await mirror.sync(piriod.customers())


def _without_id(response, id_):
    return evolve(response, body=response.body.replace(f'"id":"{id_}"'.encode(), b'"id":null'))
