"""An asyncio client for the Piriod customers API: every matching customer exactly once, or an error.

```python
async with PiriodSession(token="…", workspace="acc_…") as piriod:  # or PiriodSession.from_env()
    async for customer in piriod.customers(country="CL", metadata={"plan": "gold"}):
        print(customer.id, customer.name, customer.aggregations.balance)
```

- `PiriodSession` holds the credentials and connections; one serves a process. Its `customers()` returns a
  `CustomerListing`, its `across()` a `WorkspaceListing` of many workspaces. A listing sends nothing until it is read.
- `Customer` is the record: frozen, money as `Decimal`, datetimes with their time zone.
- With the default `ordering="created"`, or `"-created"`, a customer that matches from before the first request until
  after the last is returned exactly once, even if the list changes; `piriod_async.pagination.by_created` has the proof.
  With another ordering, a change that is noticed raises `IncompleteListError` after the last customer.
- `Checkpoint` resumes an interrupted listing.
- Every error is a `PiriodError`; `piriod_async.errors` has the tree.
- `RetryPolicy` configures retries, and `on_attempt=` receives every `Attempt`.
- `PIRIOD_LOG=info` in the environment prints retries and listings on standard error, `debug` every attempt too.
- `piriod_context` and `PIRIOD` bind a session to an aiohttp application.

Imported on demand: `piriod_async.export` (JSON lines, CSV, Parquet, Arrow), `piriod_async.testing` (a mock server and
pytest fixtures) and the command line, `piriod-async`.
"""

import importlib

TYPE_CHECKING = False  # true for type checkers; to import `typing` takes longer than the rest that Ctrl-C waits for
if TYPE_CHECKING:
    from piriod_async.public_names import *  # noqa: F403
    from piriod_async.public_names import __all__ as __all__
else:
    del TYPE_CHECKING

    def __getattr__(name: str) -> object:
        """Import the names above, which takes a while, when one is used: only then has the command handled Ctrl-C."""
        if name == "__all__" or not name.startswith("__"):
            public = importlib.import_module("piriod_async.public_names")
            globals().update({each: getattr(public, each) for each in public.__all__}, __all__=public.__all__)
        if name not in globals():
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return globals()[name]

    def __dir__() -> list[str]:
        return sorted({*globals(), *__getattr__("__all__")})
