"""The Piriod API in miniature, to try code against: a real socket, believable customers, faults on request."""

from piriod_async.sandbox.churn import Change, Churn
from piriod_async.sandbox.request import Request
from piriod_async.sandbox.row import ABSENT
from piriod_async.sandbox.server import Sandbox

__all__ = ["ABSENT", "Change", "Churn", "Request", "Sandbox"]
