"""Bind a session to the lifetime of an aiohttp application."""

from collections.abc import AsyncIterator, Callable
from typing import Unpack, cast

from aiohttp import web

from piriod_async.session import PiriodSession, SessionOptions, hide_login_option
from piriod_async.transport.token_source import TokenFunction, hide_token

PIRIOD: web.AppKey[PiriodSession] = web.AppKey("piriod", PiriodSession)


def piriod_context(
    token: str | TokenFunction | None = None,
    workspace: str | None = None,
    *,
    key: web.AppKey[PiriodSession] = PIRIOD,
    **options: Unpack[SessionOptions],
) -> Callable[[web.Application], AsyncIterator[None]]:
    """Return a cleanup context that opens a session for an application and closes it.

    ```python
    app.cleanup_ctx.append(piriod_context())
    ```

    Handlers find the session at `request.app[PIRIOD]`. Start-up sends no request; clean-up cancels pending ones.

    Args:
        token: API token, or a function that returns it, as for `PiriodSession`. If None, the session is made by
            `PiriodSession.from_env`, which reads all its settings from the environment.
        workspace: Default workspace of the session, as for `PiriodSession`.
        key: Key of the session in the application. Give each session its own if there are several:
            `web.AppKey("other", PiriodSession)`.
        **options: Other arguments of `PiriodSession`.

    Raises:
        ConfigurationError: An argument or environment variable is invalid.
    """
    hide_login_option(options)
    if token is None:
        session = PiriodSession.from_env(workspace, **options)
    else:
        token = cast("str", hide_token(token))  # a traceback's locals show stars
        session = PiriodSession(token, workspace, **options)

    async def context(app: web.Application) -> AsyncIterator[None]:
        app[key] = session
        async with session:
            yield

    return context
