"""A mock of the Piriod API for tests: a real socket, realistic customers, and faults on demand."""

from piriod_async.testing.mock_server.mutations import Change, Mutations
from piriod_async.testing.mock_server.recorded_request import RecordedRequest
from piriod_async.testing.mock_server.server import MockServer
from piriod_async.testing.mock_server.stored_customer import OMITTED

__all__ = ["OMITTED", "Change", "MockServer", "Mutations", "RecordedRequest"]
