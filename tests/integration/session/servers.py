"""A mock server that records headers, and addresses without a server."""

import socket
from contextlib import asynccontextmanager

from piriod_async.testing import MockServer


class HeaderRecorder(MockServer):
    """A mock server that records the headers of each request."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.headers = []

    async def _handle(self, request):
        self.headers.append(request.headers.copy())
        return await super()._handle(request)


def host_of(piriod):
    """Return the host and port that a session sends requests to."""
    return piriod._transport.url.raw_authority


@asynccontextmanager
async def unreachable_url():
    """Yield the URL of a port that is taken and refuses connections."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"
