"""What an observer sees: every attempt of every request."""

from collections.abc import Callable
from typing import TypeAlias

from attrs import frozen

from piriod_async.errors import PiriodError


@frozen(kw_only=True)
class Request:
    """What is asked, as messages and observers name it; each attempt sends the same."""

    method: str = "GET"
    page: int
    workspace: str

    def __str__(self) -> str:
        return f"{self.method} /customers/ page {self.page} of {self.workspace}"


@frozen(kw_only=True)
class Attempt:
    """One attempt of one request, once it is known what comes of it: `PiriodSession(on_attempt=…)`.

    Attributes:
        method (str): `"GET"`.
        page (int): Page number asked for, from 1.
        workspace (str): Id of the workspace asked for.
        retry (int): Attempts of the same request before this one; 0 for the first.
        started (float): When it was sent, seconds since the epoch.
        seconds (float): From then to the last byte of the answer, or to the failure; no waiting, no decoding.
        status (int | None): The answer's status, or None if there was none.
        error (PiriodError | None): What was wrong with it, or None. A customer that cannot be read is found later,
            when its turn has come: that is the listing's error, and no attempt's.
        wait (float | None): Seconds until it is tried again, or None if it is not.
    """

    method: str
    page: int
    workspace: str
    retry: int
    started: float
    seconds: float
    status: int | None
    error: PiriodError | None
    wait: float | None


AttemptHook: TypeAlias = Callable[[Attempt], object]
