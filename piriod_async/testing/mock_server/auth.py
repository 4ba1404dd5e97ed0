"""Authentication and permissions, with the rules and messages of REST Framework's `TokenAuthentication`."""

from collections.abc import Collection

from piriod_async.testing.mock_server.response import ALLOWED_METHODS, APIException


def authenticate(authorization: str, tokens: Collection[str]) -> str:
    """Check that the `Authorization` header has one of the tokens, and return it.

    Raises:
        APIException: 401.
    """
    keyword, *credentials = authorization.split() or [""]
    if keyword.lower() != "token":
        problem = "Authentication credentials were not provided."
    elif not credentials:
        problem = "Invalid token header. No credentials provided."
    elif len(credentials) > 1:
        problem = "Invalid token header. Token string should not contain spaces."
    elif credentials[0] not in tokens:
        problem = "Invalid token."
    else:
        return credentials[0]
    raise APIException(401, problem, {"WWW-Authenticate": "Token"})


def check_workspace(workspace: str | None, workspaces: Collection[str]) -> str:
    """Check the `x-simple-workspace` header and return its value.

    Raises:
        APIException: 400 if the header is missing, 403 if the workspace is unknown.
    """
    if not workspace:
        raise APIException(400, {"non_field_errors": ["x-simple-workspace header is required."]})
    if workspace not in workspaces:
        raise APIException(403, "You do not have permission to perform this action.")
    return workspace


def check_method(method: str) -> None:
    """Check that the method reads the list or describes it.

    Raises:
        APIException: 405.
    """
    if method not in ALLOWED_METHODS:
        raise APIException(405, f'Method "{method}" not allowed.')
