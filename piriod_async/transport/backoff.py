"""For tests: retries that do not wait."""

from collections.abc import Iterator
from contextlib import contextmanager

_depth = 0


@contextmanager
def no_backoff() -> Iterator[None]:
    """Let every session retry at once, with no backoff, no pause and no pace, until the block ends.

    What is tried again, how often, and what is raised in the end stay as they are. It counts for all sessions of the
    process, also those that the code under test makes itself. The fixtures of `piriod_async.testing.fixtures` do it for
    each test that uses them.

    ```python
    with no_backoff():
        assert await my_service.sync() == 250  # though the sandbox answers 503 twice
    ```
    """
    global _depth  # noqa: PLW0603 (whoever made the session, and in whatever thread)
    _depth += 1
    try:
        yield
    finally:
        _depth -= 1


def backoff_enabled() -> bool:
    """Return whether retries wait, as they do outside `no_backoff`."""
    return not _depth
