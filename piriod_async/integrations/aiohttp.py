"""A session that lives as long as an aiohttp application."""

from collections.abc import AsyncIterator, Callable
from typing import Unpack

from aiohttp import web

from piriod_async.session import PiriodSession, SessionOptions
from piriod_async.transport.auth import SecretStr

PIRIOD: web.AppKey[PiriodSession] = web.AppKey("piriod", PiriodSession)


def piriod_context(
    token: str | None = None,
    workspace: str | None = None,
    *,
    key: web.AppKey[PiriodSession] = PIRIOD,
    **options: Unpack[SessionOptions],
) -> Callable[[web.Application], AsyncIterator[None]]:
    """Return a cleanup context: `app.cleanup_ctx.append(piriod_context())`.

    Handlers find the session at `request.app[PIRIOD]`. Starting up sends nothing; cleaning up closes the session.

    Args:
        token: API token; None for the one of the environment, with all that `PiriodSession.from_env` reads there.
        workspace: Id of the workspace to list where `customers()` names none.
        key: Where the session is kept, for an application with several.
        **options: What else `PiriodSession` takes.

    Raises:
        ConfigurationError: A value that cannot work.
    """
    if token is None:
        session = PiriodSession.from_env(workspace, **options)
    else:
        token = SecretStr(token)  # a traceback's locals show stars
        session = PiriodSession(token, workspace, **options)

    async def context(app: web.Application) -> AsyncIterator[None]:
        app[key] = session
        async with session:
            yield

    return context
