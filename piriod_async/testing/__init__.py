"""Helpers for testing code that uses piriod-async: a mock server, and retries without delays."""

from piriod_async.testing.mock_server import OMITTED, Change, MockServer, Mutations, RecordedRequest, Unchecked
from piriod_async.transport.backoff import no_backoff

__all__ = ["OMITTED", "Change", "MockServer", "Mutations", "RecordedRequest", "Unchecked", "no_backoff"]
