"""A mock of the Piriod API for tests: a real socket, realistic customers, and faults on demand."""

from piriod_async.testing.mock_server.customer_fields import OMITTED, Unchecked
from piriod_async.testing.mock_server.mutations import Change, Mutations
from piriod_async.testing.mock_server.recorded_request import RecordedRequest
from piriod_async.testing.mock_server.server import MockServer

__all__ = ["OMITTED", "Change", "MockServer", "Mutations", "RecordedRequest", "Unchecked"]
