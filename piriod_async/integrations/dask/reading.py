"""How tasks read workspaces: what is sent to the workers, without a secret."""

from typing import Any, cast

from attrs import frozen

from piriod_async.errors import ConfigurationError
from piriod_async.session import PiriodSession, SessionOptions, hide_login_option

_STAY_HERE = {"client_session", "on_attempt"}  # neither of them can be sent
_KNOWN = SessionOptions.__annotations__.keys() - _STAY_HERE


@frozen
class Reading:
    """How to read workspaces.

    Attributes:
        session_options: Options of `PiriodSession`.
        arguments: Arguments of `PiriodSession.across`.
    """

    session_options: SessionOptions
    arguments: dict[str, Any]

    @classmethod
    def checked(
        cls, session_options: SessionOptions | None, requests_per_second: float | None, arguments: dict[str, Any]
    ) -> "Reading":
        """Check the arguments before they are sent to workers.

        Raises:
            ConfigurationError: An option is not valid.
            QueryError: A filter is not valid.
        """
        options: SessionOptions = {**(session_options or {})}
        session_options = None  # from here on, tracebacks show no login
        hide_login_option(options)
        if requests_per_second is not None:
            options["requests_per_second"] = requests_per_second
        if unknown := sorted(options.keys() - _KNOWN):
            cast("dict[str, Any]", options).clear()  # it may be a token
            raise ConfigurationError(f"session_options: {unknown[0]}: expected some of {', '.join(sorted(_KNOWN))}")
        PiriodSession("any-token", **options).across((), **arguments)
        return cls(options, arguments)
