"""A client middleware that lets aiohttp send a request once only, and notes the proxy that it went through."""

import aiohttp
from attrs import define, field
from yarl import URL


class DroppedConnectionError(aiohttp.ClientConnectionError):
    """The connection was dropped before a response came; the `__cause__` is aiohttp's error."""


@define(eq=False)
class SingleSend:
    """The outermost middleware of one attempt.

    aiohttp repeats a GET whose connection is dropped before the response. Such a repeat would bypass the limiter, and
    be missing in `RetryPolicy.attempts`, `PiriodError.attempts` and the counters. aiohttp has no option for it, but
    repeats only after two types of error, so another type prevents it.

    Attributes:
        proxy: The proxy, without user and password; None if the request went directly.
    """

    proxy: URL | None = field(default=None, init=False)

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Send the request."""
        if request.proxy:
            self.proxy = request.proxy.with_user(None)
        try:
            return await handler(request)
        except aiohttp.ClientConnectorError:  # not repeated
            raise
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
            raise DroppedConnectionError(_describe(error)) from error


def _describe(error: aiohttp.ClientConnectionError) -> str:
    if isinstance(error, aiohttp.ServerDisconnectedError) and not isinstance(error.message, str):
        return "the server disconnected within the headers"  # aiohttp's message has those that came
    return str(error) or type(error).__name__
