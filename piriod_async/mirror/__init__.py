"""A mirror: a list of customers in a database of your own, with what was added, changed and removed."""

from piriod_async.mirror.errors import MirrorBusyError, MirrorError, TooManyRemovedError
from piriod_async.mirror.mirror import Mirror
from piriod_async.mirror.results import Change, Run, Sync

__all__ = ["Change", "Mirror", "MirrorBusyError", "MirrorError", "Run", "Sync", "TooManyRemovedError"]
