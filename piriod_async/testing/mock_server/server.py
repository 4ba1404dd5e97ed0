"""The mock server: its options, and how it responds to a request."""

import asyncio
from collections.abc import Collection, Mapping
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from aiohttp import web
from attrs import evolve

from piriod_async.testing.mock_server.auth import authenticate, check_method, check_workspace
from piriod_async.testing.mock_server.faults import Faults
from piriod_async.testing.mock_server.local_server import LocalServer
from piriod_async.testing.mock_server.mutations import Mutations
from piriod_async.testing.mock_server.ordering import shuffled_slice
from piriod_async.testing.mock_server.pagination import PageSlice
from piriod_async.testing.mock_server.recorded_request import RecordedRequest
from piriod_async.testing.mock_server.response import APIException, CannedResponse
from piriod_async.testing.mock_server.store import Store
from piriod_async.testing.mock_server.stored_customer import TimestampPrecision
from piriod_async.testing.mock_server.truncation import send_truncated
from piriod_async.testing.mock_server.workspaces import Customers

METADATA = {
    "name": "Customer List",
    "description": "",
    "renders": ["application/json"],
    "parses": ["application/json"],
}
"""The response to OPTIONS, as REST Framework's `SimpleMetadata` describes a list that is read-only."""

if TYPE_CHECKING:
    from piriod_async.session import PiriodSession


class MockServer(Store, Faults, LocalServer):
    """A mock of the Piriod API: `GET /customers/` on a real socket of 127.0.0.1, with made-up customers or your own.

    It behaves like the real framework in authentication, filters, ordering, pagination and error bodies. Change its
    customers with `add`, `update` and `remove`, or let them change while they are read with `mutations`. Make requests
    fail with `fail` and `rate_limit`, and inspect them in `requests`.

    ```python
    with MockServer(customers=[{"name": "Ñandú SpA", "country": {"id": "CL"}}, {"phone": OMITTED}]) as server:
        async with server.session() as piriod:
            assert await piriod.customers(name="Ñandú").count() == 1

    async with MockServer(customers=1_000) as server, server.session() as piriod:
        new = server.add(email="contacto@nandu.cl")
        assert (await piriod.customers(email="contacto@nandu.cl").first()).id == new
        server.update(new, name=Unchecked(5))  # which no client can decode
        server.remove(new)

        server.fail(status=503, times=2)  # the next two requests
        server.rate_limit(50)  # requests per second; above it 429 with Retry-After
        assert await piriod.customers().count() == 1_000  # after two retries
        assert [request.status for request in server.requests[-3:]] == [503, 503, 200]

    async with MockServer(mutations=Mutations(rate=2)) as server, server.session() as piriod:
        ids = {customer.id async for customer in piriod.customers()}  # two changes before each response
        assert ids.issuperset(server.unchanged_ids())
    ```

    `with` serves from a thread of its own, so any code can send requests: synchronous code, or an event loop that
    starts and ends meanwhile. `async with` serves from the running event loop, and responds only while that runs.

    Args:
        customers: Number of customers to make up, or your own: a list of `Customer` objects or of dicts as the API
            sends them. For other workspaces than `acc_mock`, a mapping of workspace ids to either. Fields that a dict
            lacks are made up, and those that the API does not have are sent too. A field that no client could decode is
            an error, except `OMITTED` and `Unchecked(value)`. `subscriptions` are ids to filter by, which the API does
            not send. Without `created`, your customers are in the order of the list. Those with `test_mode` true are
            the test data of their workspace.
        seed: The same seed gives the same customers and the same mutations.
        latency: Seconds before each response, or a pair to draw them between.
        port: Port to listen on; 0 for any free one.
        token: The token that it accepts. Set the attribute to replace it, as a user does who creates a new one.
        tokens: Tokens of the workspaces that have one of their own, which then reads no other workspace. Change the
            attribute to replace or revoke some.
        mutations: How customers change while they are read; by default they do not.
        timestamp_precision: Precision of `created` and `updated` in responses. Sorting and filtering always use
            microseconds.
        tie_order: Order of customers with the same `created`: `stable`, or `shuffled` for each request.
        ignored_params: Query parameters to ignore, such as `{"ordering"}`.

    Raises:
        ValueError: A customer is invalid. The message has its index, the field, the value and the type it should have.
    """

    def __init__(
        self,
        customers: Customers | Mapping[str, Customers] = 1_000,
        *,
        seed: int = 7,
        latency: float | tuple[float, float] = 0.0,
        port: int = 0,
        token: str = "mock-token",  # noqa: S107  not a secret
        tokens: Mapping[str, str] | None = None,
        mutations: Mutations | None = None,
        timestamp_precision: TimestampPrecision = "microseconds",
        tie_order: Literal["stable", "shuffled"] = "stable",
        ignored_params: Collection[str] = (),
    ) -> None:
        Store.__init__(self, customers, seed)
        Faults.__init__(self)
        LocalServer.__init__(self, port)
        self.token = token
        self.tokens = dict(tokens or {})
        self._latency = latency if isinstance(latency, tuple) else (latency, latency)
        self._mutations = mutations or Mutations(rate=0)
        self._timestamp_precision: TimestampPrecision = timestamp_precision
        self._tie_order = tie_order
        self._ignored_params = frozenset(ignored_params)
        self._random = Random(f"{seed}/server")

    def session(self, **options: Any) -> "PiriodSession":
        """Make a session for this server and its first workspace.

        Args:
            **options: Arguments of `PiriodSession`.
        """
        from piriod_async.session import PiriodSession  # noqa: PLC0415  the server itself does not need a client

        return PiriodSession(**{"token": self.token, "workspace": self.workspace, "base_url": self.url, **options})

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        recorded = RecordedRequest.from_aiohttp(request)
        try:
            await self._wait_latency()
        except asyncio.CancelledError:
            self.requests.append(recorded)
            raise
        fault = self._take_fault(recorded)
        canned = fault.response if fault and fault.response else self._respond(request, recorded)
        truncation = fault.truncation if fault else None
        self.requests.append(evolve(recorded, status=0 if truncation in ("headers", "body") else canned.status))
        response = web.Response(status=canned.status, body=canned.body, headers=canned.headers)
        if fault:
            response.headers.update(fault.headers)
        response.headers.setdefault("X-Request-Id", f"req_{len(self.requests):08}")
        return await send_truncated(response, truncation, request, self._stopping) if truncation else response

    async def _wait_latency(self) -> None:
        if seconds := self._random.uniform(*self._latency):
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._stopping.wait()

    def _respond(self, request: web.BaseRequest, recorded: RecordedRequest) -> CannedResponse:
        url = request.rel_url
        if recorded.path == "/customers":
            return CannedResponse.html(301, {"Location": str(url.with_path("/customers/", keep_query=True))})
        if recorded.path != "/customers/":
            return CannedResponse.html(404)
        try:
            tokens = dict.fromkeys(self.workspaces, self.token) | self.tokens
            token = authenticate(request.headers.get("Authorization", ""), {self.token, *tokens.values()})
            permitted = [workspace for workspace in self.workspaces if tokens[workspace] == token]
            workspace = check_workspace(recorded.workspace, permitted)
            if self._rate_limit:
                self._rate_limit.check_rate()
            check_method(recorded.method)
            if recorded.method == "OPTIONS":
                return CannedResponse.json(200, METADATA)
            with self._lock:
                return self._list(workspace, recorded, f"http://{request.host}{url.raw_path_qs}")
        except APIException as error:
            return error.response

    def _list(self, workspace: str, recorded: RecordedRequest, url: str) -> CannedResponse:
        table = self._table(workspace, test_mode=recorded.test_mode)
        self._mutate(table, self._mutations.before_request(self._random), self._random)
        params = {name: value for name, value in recorded.params.items() if name not in self._ignored_params}
        count = len(table.select(params))
        page = PageSlice.from_params(params, count)
        self._mutate(table, self._mutations.mid_request(self._random), self._random)
        selected = table.select(params)
        if self._tie_order == "shuffled":
            selected = shuffled_slice(selected, page.start, page.stop, self._random)
        else:
            selected = selected[page.start : page.stop]
        results = [msgspec.Raw(customer.to_json(self._timestamp_precision)) for customer in selected]
        links = {"next": page.next_url(url), "previous": page.previous_url(url)}
        return CannedResponse.json(200, {"count": count, **links, "results": results})
