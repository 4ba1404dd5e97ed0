"""How far to prefetch: as far as allowed for a consumer that waits for pages, less for one that pages wait for."""

from collections.abc import Callable

from attrs import define, field

PREFETCH_PER_REQUEST = 4  # jobs in the window at most, for each request that may be in flight
MIN_PREFETCH = 2  # jobs in the window at least: the first one may wait for the one behind it


@define
class AdaptiveLimit:
    """The size of a window, between one job for each request that may be in flight, and `PREFETCH_PER_REQUEST` of them.

    It starts at the minimum, so little is prefetched for a consumer that stops early. A consumer that waits is faster
    than the requests, and gets the maximum at once: smaller steps up would cost a short list some round trips. A
    consumer that finds (almost) all of its window done is slower than the requests, and gives back a job with each one
    that it takes: to do so with more jobs pending would make a consumer wait that is about as fast as the requests.

    Attributes:
        maximum: Returns the largest size.
    """

    maximum: Callable[[], int]
    _size: int = field(default=0, init=False)

    def __call__(self) -> int:
        """Return the size of the window."""
        maximum = self.maximum()
        return min(max(self._size, MIN_PREFETCH, maximum // PREFETCH_PER_REQUEST), maximum)

    def grow(self) -> None:
        """Note that the consumer waits for a job."""
        self._size = self.maximum()

    def shrink(self) -> None:
        """Note that jobs wait for the consumer."""
        self._size = self() - 1
