"""Which worker reads a batch: one for all batches of a token, one after the other."""

from collections import Counter, deque
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, cast

from attrs import define, field
from distributed import Client, Future, Scheduler, SchedulerPlugin, as_completed

from piriod_async.errors import ConfigurationError
from piriod_async.integrations.dask.plan import Batch
from piriod_async.integrations.dask.worker import SessionPlugin

KEY_PREFIX = "piriod-"
TOKENS_PER_WORKER = 8  # read side by side: a worker waits for responses most of the time


def prepare(client: Client) -> None:
    """Give the workers of a client their sessions, and those that will come later.

    Raises:
        ConfigurationError: The client is an asynchronous one.
    """
    if not isinstance(client, Client) or client.asynchronous:
        raise ConfigurationError(f"client={client!r}: expected a distributed.Client without asynchronous=True")
    client.register_plugin(SessionPlugin())
    client.register_plugin(PlacementPlugin())


class PlacementPlugin(SchedulerPlugin):
    """Lets a batch run on any worker when its own is gone.

    That is what `allow_other_workers` means, but while there is no worker at all, as when the only one restarts, Dask
    goes on to wait for the one that is gone.
    """

    name = "piriod-async"
    idempotent = True

    def remove_worker(self, scheduler: Scheduler, worker: str, **_: Any) -> None:
        """Forget where the tasks without a worker should have run."""
        for task in scheduler.unrunnable:
            if str(task.key).startswith(KEY_PREFIX) and task.worker_restrictions:
                task.worker_restrictions.discard(worker)


@define
class BatchRunner:
    """Submits the next batch of a token when the one before is done.

    While its worker lives, a token stays there, with its connections and the rate that the session has found. Dask runs
    a batch again elsewhere if the worker dies.

    Attributes:
        client: The cluster.
        task: Reads a batch.
        arguments: The other arguments of the task.
        name: Part of the names of the tasks, as the dashboard shows them.
    """

    client: Client
    task: Callable[..., Any]
    arguments: Sequence[Any]
    name: str
    _workers: dict[str, str | None] = field(factory=dict, init=False)
    _pending: dict[Future[Any], Batch] = field(factory=dict, init=False)

    def run(self, plan: Mapping[str, Sequence[Batch]]) -> Generator[tuple[Batch, Future[Any]]]:
        """Yield each batch with its future when that is done.

        If the iteration ends early, the batches that have not been started are not; those that have end by themselves.

        Raises:
            ConnectionError: The scheduler went away.
        """
        queues = {token: deque(batches) for token, batches in plan.items()}
        waiting = deque(queues)
        completed = as_completed(loop=self.client.loop)
        try:
            while waiting or self._workers:
                while waiting and len(self._workers) < TOKENS_PER_WORKER * max(len(self._alive()), 1):
                    completed.add(self._submit(queues[waiting.popleft()].popleft()))
                future = next(completed)
                batch = self._pending.pop(future)
                if future.cancelled():
                    raise ConnectionError(
                        "the scheduler went away: the files that are complete stay; run it again with resume=True"
                    )
                yield batch, future
                if queue := queues[batch.token]:
                    completed.add(self._submit(queue.popleft()))
                else:
                    del self._workers[batch.token]
        finally:
            if self.client.status == "running":
                self.client.cancel(list(self._pending))

    def _submit(self, batch: Batch) -> Future[Any]:
        worker = self._workers[batch.token] = self._choose_worker(batch.token)
        future: Future[Any] = self.client.submit(
            self.task,
            batch,
            *self.arguments,
            key=f"{KEY_PREFIX}{self.name}-{batch.token}-{batch.number}",
            workers=[worker] if worker else None,
            allow_other_workers=bool(worker),
            pure=False,
        )
        self._pending[future] = batch
        return future

    def _alive(self) -> dict[str, int]:
        return cast("dict[str, int]", self.client.nthreads())  # untyped: no coroutine of a client that is not async

    def _choose_worker(self, token: str) -> str | None:
        """Return the worker that has the token, or else the one with the fewest; None if there is no worker yet."""
        alive = self._alive()
        current = self._workers.get(token)
        if current in alive:
            return current
        tokens = Counter(self._workers.values())
        return min(alive, key=lambda worker: tokens[worker], default=None)
