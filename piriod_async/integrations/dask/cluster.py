"""Connect to a cluster, or start one for this machine."""

from collections.abc import Iterator
from contextlib import contextmanager

from distributed import Client, LocalCluster

LOCAL = "local"


@contextmanager
def connect(address: str) -> Iterator[Client]:
    """Connect to a scheduler; `local` starts one, and a worker for each core, until the block ends.

    Raises:
        OSError: The scheduler cannot be reached.
    """
    if address == LOCAL:
        with LocalCluster(dashboard_address=":0") as cluster, Client(cluster) as client:
            yield client
    else:
        with Client(address) as client:
            yield client
