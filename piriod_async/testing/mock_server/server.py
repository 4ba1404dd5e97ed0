"""The sandbox itself: a socket, and what happens to a request."""

import asyncio
from collections.abc import Collection, Mapping
from contextlib import suppress
from random import Random
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

import msgspec
from aiohttp import web
from attrs import evolve

from piriod_async.testing.mock_server.auth import allow, authenticate, permit
from piriod_async.testing.mock_server.faults import Faults
from piriod_async.testing.mock_server.mutations import Mutations
from piriod_async.testing.mock_server.ordering import shuffled_ties
from piriod_async.testing.mock_server.pagination import Slice
from piriod_async.testing.mock_server.recorded_request import RecordedRequest
from piriod_async.testing.mock_server.response import Answer, Refusal
from piriod_async.testing.mock_server.store import Store
from piriod_async.testing.mock_server.truncation import send_cut

if TYPE_CHECKING:
    from piriod_async.session import PiriodSession


class MockServer(Store, Faults):
    """The Piriod API in miniature: ``GET /customers/`` on a real socket of this machine.

    Args:
        customers: How many the workspace ``acc_sandbox`` has, or a mapping of workspace ids to numbers. A workspace is
            made when it is first asked for.
        seed: The same seed gives the same customers and the same churn.
        latency: Seconds before each answer; a pair for anything between the two.
        port: 0 for any free one.
        token: The one token that is let in.
        churn: How the list moves while it is read; by default it stands still.
        stamps: Print ``created`` and ``updated`` to the microsecond, or cut off to the second. They are sorted and
            filtered to the microsecond anyway.
        ties: Whether customers of one instant come in a ``stable`` order, or ``shuffled`` anew for each request.
        ignores: Names of query parameters to ignore, such as ``{"ordering"}``.

    Example:
        >>> async with MockServer(customers=1_000) as sandbox, sandbox.session() as piriod:
        ...     customers = await piriod.customers(country="CL").collect()
    """

    def __init__(
        self,
        customers: int | Mapping[str, int] = 1_000,
        *,
        seed: int = 7,
        latency: float | tuple[float, float] = 0.0,
        port: int = 0,
        token: str = "sandbox-token",  # noqa: S107  not a secret
        churn: Mutations | None = None,
        stamps: Literal["microseconds", "seconds"] = "microseconds",
        ties: Literal["stable", "shuffled"] = "stable",
        ignores: Collection[str] = (),
    ) -> None:
        Store.__init__(self, customers, seed)
        Faults.__init__(self)
        self.token = token
        self._latency = latency if isinstance(latency, tuple) else (latency, latency)
        self._port = port
        self._churn = churn or Mutations(rate=0)
        self._stamps = stamps
        self._ties = ties
        self._ignores = frozenset(ignores)
        self._random = Random(f"{seed}/server")
        self._runner: web.ServerRunner | None = None
        self._stopping = asyncio.Event()
        self._answered = 0

    async def start(self) -> None:
        """Open the socket."""
        self._stopping.clear()
        # the handler of a client that has gone is cancelled: it may be stalling
        server = web.Server(self._handle, handler_cancellation=True, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()

    async def stop(self) -> None:
        """Close the socket and all connections; answers on their way are cut short."""
        self._stopping.set()
        if self._runner:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        """Where it listens, such as ``http://127.0.0.1:41234``."""
        if self._runner is None:
            raise RuntimeError("the sandbox has not started: async with MockServer() as sandbox")
        host, port = self._runner.addresses[0]
        return f"http://{host}:{port}"

    def session(self, **options: Any) -> "PiriodSession":
        """A session for this sandbox and its first workspace.

        Args:
            **options: Passed on to ``PiriodSession``.
        """
        from piriod_async.session import PiriodSession  # noqa: PLC0415  the server itself needs no client

        return PiriodSession(**{"token": self.token, "workspace": self.workspace, "base_url": self.url, **options})

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        asked = RecordedRequest.read(request)
        try:
            await self._pause()
        except asyncio.CancelledError:
            self.requests.append(asked)
            raise
        fault = self._fault_for(asked)
        answer = fault.answer if fault and fault.answer else self._answer(request, asked)
        cut = fault.cut if fault else None
        self.requests.append(evolve(asked, status=0 if cut in ("headers", "body") else answer.status))
        response = web.Response(status=answer.status, body=answer.body, headers=answer.headers)
        response.headers["X-Request-Id"] = f"req_{len(self.requests):08}"
        return await send_cut(response, cut, request, self._stopping) if cut else response

    async def _pause(self) -> None:
        if seconds := self._random.uniform(*self._latency):
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._stopping.wait()

    def _answer(self, request: web.BaseRequest, asked: RecordedRequest) -> Answer:
        url = request.rel_url
        if asked.path == "/customers":
            return Answer.html(301, {"Location": str(url.with_path("/customers/", keep_query=True))})
        if asked.path != "/customers/":
            return Answer.html(404)
        try:
            authenticate(request.headers.get("Authorization", ""), self.token)
            workspace = permit(asked.workspace, self.workspaces)
            if self._limit:
                self._limit.admit()
            allow(asked.method)
            return self._list(workspace, asked, f"http://{request.host}{url.raw_path_qs}")
        except Refusal as refusal:
            return refusal.answer

    def _list(self, workspace: str, asked: RecordedRequest, url: str) -> Answer:
        table = self._table(workspace, test_mode=asked.test_mode)
        self._stir(table, self._churn.before(self._random), self._random)
        params = {name: value for name, value in asked.params.items() if name not in self._ignores}
        count = len(table.select(params))
        page = Slice.of(params, count)
        self._stir(table, self._churn.amid(self._random), self._random)
        rows = table.select(params)
        if self._ties == "shuffled":
            rows = shuffled_ties(rows, page.start, page.stop, self._random)
        else:
            rows = rows[page.start : page.stop]
        results = [msgspec.Raw(row.json(to_the_second=self._stamps == "seconds")) for row in rows]
        links = {"next": page.next(url), "previous": page.previous(url)}
        return Answer.json(200, {"count": count, **links, "results": results})
