"""Many accounts in one fan-out: workspaces with tokens, servers and modes of their own."""

from itertools import count

import pytest

from piriod_async import AuthenticationError, ConfigurationError, PiriodSession, QueryError, RateLimitError
from piriod_async.testing import MockServer
from tests.support.tasks import assert_idle

pytestmark = pytest.mark.usefixtures("no_leaks")


class Vault:
    """Has the token of each workspace, and counts how often it is asked for."""

    def __init__(self, server):
        self.server = server
        self.calls = dict.fromkeys(server.tokens, 0)
        self.tokens = dict(server.tokens)

    def function(self, workspace):
        async def token():
            self.calls[workspace] += 1
            return self.tokens[workspace]

        return token

    def rotate(self, workspace):
        self.tokens[workspace] = self.server.tokens[workspace] = f"rotated-{workspace}"

    def revoke(self, workspace):
        self.server.tokens[workspace] = "unknown to the vault"


async def test_rotated_and_revoked():
    """Of 50 workspaces with a token each, 3 rotated and 2 revoked while they are read, 48 are complete."""
    tokens = {f"acc_{n}": f"token-{n:03}" for n in range(50)}
    rotated, revoked = ["acc_3", "acc_20", "acc_49"], ["acc_7", "acc_30"]
    async with MockServer(dict.fromkeys(tokens, 400), tokens=tokens, latency=(0, 0.002)) as server:
        vault = Vault(server)
        async with server.session(token="unused") as piriod:
            sessions = [piriod.with_options(token=vault.function(name), workspace=name) for name in tokens]
            listing = piriod.across(sessions, on_error="collect")
            ids, begun = {name: [] for name in tokens}, set()
            async for workspace, customer in listing:
                ids[workspace].append(customer.id)
                if workspace not in begun:
                    begun.add(workspace)
                    if workspace in rotated:
                        vault.rotate(workspace)
                    elif workspace in revoked:
                        vault.revoke(workspace)
            complete = {name: [each["id"] for each in server.customers(name)] for name in tokens}
            assert {name: type(error) for name, error in listing.errors.items()} == dict.fromkeys(
                revoked, AuthenticationError
            )
            assert {name for name in tokens if ids[name] != complete[name]} == set(revoked)
            assert {name for name, calls in vault.calls.items() if calls == 2} == {*rotated, *revoked}
            assert {calls for name, calls in vault.calls.items() if name not in (*rotated, *revoked)} == {1}
            assert piriod.stats.requests == 0
            for session in sessions:
                assert_idle(session)
    assert {each.status for each in server.requests if each.workspace not in (*rotated, *revoked)} == {200}


async def test_mixed():
    """Ids are read with the session's own token, sessions with theirs; results are labelled by id."""
    tokens = {"acc_2": "second", "acc_3": "third"}
    async with MockServer({"acc_1": 3, "acc_2": 5, "acc_3": 7}, tokens=tokens) as server, server.session() as piriod:
        second = piriod.with_options(token="second", workspace="acc_2")
        third = PiriodSession("third", "acc_3", base_url=server.url)  # with connections of its own
        async with third:
            listing = piriod.across(["acc_1", second, third])
            found = await listing.collect()
            assert {name: len(customers) for name, customers in found.items()} == {"acc_1": 3, "acc_2": 5, "acc_3": 7}
            assert list(listing.progress.workspaces) == ["acc_1", "acc_2", "acc_3"]
        assert [each.stats.requests for each in (piriod, second, third)] == [1, 1, 1]


@pytest.mark.parametrize("kind", [list, tuple, iter])
async def test_repeated(kind):
    """A workspace that is there twice is read once: with the token that is there first."""
    async with MockServer({"acc_1": 3}) as server, server.session() as piriod:
        another = piriod.with_options(token="another", workspace="acc_1")
        found = await piriod.across(kind(["acc_1", another, piriod])).collect()
        assert len(found["acc_1"]) == 3
        assert [request.status for request in server.requests] == [200]


@pytest.mark.parametrize("options", [{"test_mode": True}, {"base_url": "http://127.0.0.1:1"}])
async def test_same_id_of_two_lists(options):
    """An id that stands for two lists of customers is an error, before anything is sent."""
    async with MockServer({"acc_1": 3}) as server, server.session() as piriod:
        other = piriod.with_options(**options)
        message = r"workspaces: 'acc_1' is there twice, as live data of .* and as .*: expected different ids"
        with pytest.raises(QueryError, match=message):
            piriod.across(["acc_1", other], on_error="collect")
        assert server.requests == []
        with pytest.raises(QueryError, match=message):
            await piriod.across(iter([piriod, other]), on_error="collect").collect()


async def test_session_without_workspace():
    """A session without a workspace is an error, before anything is sent."""
    async with MockServer({"acc_1": 3}) as server, server.session() as piriod:
        with pytest.raises(
            QueryError, match=r"<PiriodSession .*>: expected a workspace id, or a session with a workspace"
        ):
            piriod.across(["acc_1", piriod.with_options(workspace=None)])
        assert server.requests == []


async def test_failing_token():
    """A token that cannot be had fails its workspace only."""
    async with MockServer({"acc_1": 3, "acc_2": 3}) as server, server.session() as piriod:
        broken = piriod.with_options(token=lambda: None, workspace="acc_2")
        listing = piriod.across(["acc_1", broken], on_error="collect")
        assert list(await listing.collect()) == ["acc_1"]
        assert isinstance(listing.errors["acc_2"], ConfigurationError)


async def test_limit_of_one_token():
    """A 429 of one token slows down no other."""
    tokens = {"acc_1": "first", "acc_2": "second"}
    async with MockServer(dict.fromkeys(tokens, 300), tokens=tokens) as server, server.session() as piriod:
        first, second = (piriod.with_options(token=tokens[name], workspace=name) for name in tokens)
        server.fail(status=429, retry_after=1_000, workspace="acc_1")
        listing = piriod.across([first, second], on_error="collect")
        found = await listing.collect()
        assert len(found["acc_2"]) == 300
        assert isinstance(listing.errors["acc_1"], RateLimitError)
        assert (first.stats.rate is None, second.stats.rate, second.stats.retries) == (False, None, 0)


async def test_taken_on_demand():
    """Sessions that come from an iterator are made as there is room."""
    made = count(1)

    async with MockServer({f"acc_{n}": 150 for n in range(200)}) as server, server.session(concurrency=2) as piriod:
        sessions = (piriod.with_options(workspace=f"acc_{next(made)}") for _ in range(200))
        async with piriod.across(sessions) as listing:
            async for _ in listing:
                break
        assert next(made) <= 6
