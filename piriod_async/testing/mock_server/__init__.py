"""The Piriod API in miniature, to try code against: a real socket, believable customers, faults on request."""

from piriod_async.testing.mock_server.mutations import Change, Mutations
from piriod_async.testing.mock_server.record import OMITTED
from piriod_async.testing.mock_server.recorded_request import RecordedRequest
from piriod_async.testing.mock_server.server import MockServer

__all__ = ["OMITTED", "Change", "MockServer", "Mutations", "RecordedRequest"]
