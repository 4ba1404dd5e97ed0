"""The switch that turns waiting off in tests; `piriod_async.testing` exports it."""

from collections.abc import Iterator
from contextlib import contextmanager

_disabled_depth = 0


@contextmanager
def no_backoff() -> Iterator[None]:
    """Retry without waiting until the block ends: no backoff, no pause and no pacing.

    Which requests are retried, how often, and which error is raised in the end stay the same. It applies to every
    session of the process, also those created by the code under test. The fixtures of `piriod_async.testing.fixtures`
    use it in each test that requests them.

    ```python
    with no_backoff():
        assert await my_service.sync() == 250  # although the mock server responds with 503 twice
    ```
    """
    global _disabled_depth  # noqa: PLW0603 (it applies to all sessions, in all threads)
    _disabled_depth += 1
    try:
        yield
    finally:
        _disabled_depth -= 1


def backoff_enabled() -> bool:
    """Return whether retries wait; they do outside `no_backoff`."""
    return _disabled_depth == 0
