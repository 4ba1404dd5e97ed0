"""Connect to a cluster, or start one for this machine."""

from collections.abc import Iterator
from contextlib import contextmanager

from distributed import Client, LocalCluster
from distributed.comm.addressing import get_address_host

from piriod_async.errors import ConfigurationError

LOCAL = "local"


@contextmanager
def connect(address: str) -> Iterator[Client]:
    """Connect to a scheduler; `local` starts one, and a worker for each core, until the block ends.

    Raises:
        ConfigurationError: The address is not valid.
        OSError: The scheduler cannot be reached.
    """
    if address == LOCAL:
        with LocalCluster(dashboard_address=":0") as cluster, Client(cluster) as client:
            yield client
    else:
        try:
            get_address_host(address)
        except ValueError as error:
            expected = f"{LOCAL}, or the address of a scheduler, such as tcp://127.0.0.1:8786"
            raise ConfigurationError(f"--dask {address}: expected {expected} ({error})") from error
        with Client(address) as client:
            yield client
