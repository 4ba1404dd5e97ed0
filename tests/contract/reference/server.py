"""The reference server: waitress on a real socket, with several threads, and a log of its requests."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Thread
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qsl

from django.core.cache import cache
from django.core.wsgi import get_wsgi_application
from waitress import create_server, wasyncore

from tests.contract.reference import (
    settings,  # noqa: F401  the first import of all: it configures Django
    store,
)
from tests.contract.reference.api import CustomerThrottle
from tests.contract.reference.store import Payload


class LoggedRequest(NamedTuple):
    """A request as the server received it: the query as sent (`raw`) and decoded (`query`, `params`)."""

    method: str
    path: str
    raw: str
    query: tuple[tuple[str, str], ...]
    workspace: str | None

    @property
    def params(self) -> dict[str, str]:
        return dict(self.query)

    @classmethod
    def from_wsgi(cls, environ: Mapping[str, Any]) -> Self:
        raw = environ["QUERY_STRING"]
        query = tuple(parse_qsl(raw, keep_blank_values=True))
        workspace = environ.get("HTTP_X_SIMPLE_WORKSPACE")
        return cls(environ["REQUEST_METHOD"], environ["PATH_INFO"], raw, query, workspace)


class Reference:
    """`GET /customers/` by the framework itself. One per process: Django's settings are global.

    A thread of its own writes the rows, so methods can be called from any thread, also while an event loop runs.
    """

    token = "5eed" * 10
    workspace = "acc_reference"

    def __init__(self, threads: int = 8) -> None:
        self.threads = threads
        self.requests: list[LoggedRequest] = []

    def start(self) -> Self:
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="reference-writer")
        self._write(store.create, self.token)
        self.clear()
        self._server = create_server(
            self._logged(get_wsgi_application()), host="127.0.0.1", port=0, threads=self.threads,
            connection_limit=1000, asyncore_use_poll=True,
        )  # fmt: skip
        self._loop = Thread(target=self._server.run, name="reference", daemon=True)
        self._loop.start()
        self.url = f"http://127.0.0.1:{self._server.effective_port}"
        return self

    def stop(self) -> None:
        self._server.task_dispatcher.shutdown()
        self._server.trigger.pull_trigger(lambda: wasyncore.close_all(self._server._map))
        self._loop.join()
        self._write(store.close)
        self._writer.shutdown()

    def load(self, payloads: Iterable[Payload], workspace: str | None = None) -> list[str]:
        """Insert many customers at once and return their ids."""
        return self._write(store.load, payloads, workspace or self.workspace)

    def add(self, payload: Payload | None = None, *, workspace: str | None = None, **fields: Any) -> str:
        """Insert one customer and return its id. Missing fields are empty, and `created` is now."""
        [customer] = self.load([{**(payload or {}), **fields}], workspace)
        return customer

    def remove(self, customer: str) -> None:
        self._write(store.remove, customer)

    def update(self, customer: str, **fields: Any) -> None:
        self._write(store.update, customer, fields)

    def rate_limit(self, rate: str | None) -> None:
        """Throttle as `UserRateThrottle` does: "5/s", "100/m"; None removes the limit."""
        CustomerThrottle.THROTTLE_RATES["user"] = rate
        cache.clear()

    def clear(self) -> None:
        """Delete the customers, the log of requests and the rate limit."""
        self._write(store.clear, self.workspace)
        self.rate_limit(None)
        self.requests.clear()

    def _write(self, work: Callable[..., Any], *args: Any) -> Any:
        return self._writer.submit(work, *args).result()

    def _logged(self, app: Callable[..., Any]) -> Callable[..., Any]:
        def logged(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
            self.requests.append(LoggedRequest.from_wsgi(environ))
            body = app(environ, start_response)
            if environ["REQUEST_METHOD"] == "HEAD":  # Django leaves it to the server, waitress to the application
                body.close()
                return []
            return body

        return logged
