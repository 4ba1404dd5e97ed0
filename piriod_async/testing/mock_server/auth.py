"""Who may ask, by the rules of REST Framework's TokenAuthentication and the API's own header."""

from collections.abc import Collection

from piriod_async.testing.mock_server.response import Refusal


def authenticate(authorization: str, token: str) -> None:
    """Check an ``Authorization`` header.

    Raises:
        Refusal: 401.
    """
    keyword, *credentials = authorization.split() or [""]
    if keyword.lower() != "token":
        problem = "Authentication credentials were not provided."
    elif not credentials:
        problem = "Invalid token header. No credentials provided."
    elif len(credentials) > 1:
        problem = "Invalid token header. Token string should not contain spaces."
    elif credentials != [token]:
        problem = "Invalid token."
    else:
        return
    raise Refusal(401, problem, {"WWW-Authenticate": "Token"})


def permit(workspace: str | None, workspaces: Collection[str]) -> str:
    """Check an ``x-simple-workspace`` header and return it.

    Raises:
        Refusal: 400 if there is none, 403 if it is none of ours.
    """
    if not workspace:
        raise Refusal(400, {"non_field_errors": ["x-simple-workspace header is required."]})
    if workspace not in workspaces:
        raise Refusal(403, "You do not have permission to perform this action.")
    return workspace


def allow(method: str) -> None:
    """Check the method.

    Raises:
        Refusal: 405 if it does more than read.
    """
    if method not in ("GET", "HEAD"):
        raise Refusal(405, f'Method "{method}" not allowed.')
