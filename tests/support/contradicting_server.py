"""A mock server whose responses are altered, so that they contradict each other or the truth."""

from collections.abc import Callable
from typing import Any

import msgspec
from attrs import evolve

from piriod_async.testing import MockServer, RecordedRequest

Alter = Callable[[RecordedRequest, dict[str, Any]], dict[str, Any]]


class ContradictingServer(MockServer):
    """A mock server that alters its lists.

    Args:
        alter: Receives a request and the body of the response, and returns what to send instead.
    """

    def __init__(self, *args: Any, alter: Alter, **options: Any) -> None:
        super().__init__(*args, **options)
        self._alter = alter

    def _respond(self, request: Any, recorded: RecordedRequest) -> Any:
        canned = super()._respond(request, recorded)
        if canned.status != 200:
            return canned
        body = self._alter(recorded, msgspec.json.decode(canned.body))
        return evolve(canned, body=msgspec.json.encode(body))
