"""Forked processes, which inherit objects that belong to the event loop of their parent."""

import os
from typing import Protocol
from weakref import WeakSet


class ForkAware(Protocol):
    """An object that has to let go of its parent's resources in a forked process."""

    def after_fork(self) -> None:
        """Called in the child, before any of its code runs."""


_fork_aware: WeakSet[ForkAware] = WeakSet()


def notify_after_fork(instance: ForkAware) -> None:
    """Call the `after_fork` method of an object in each process that is forked from this one, while it is alive."""
    _fork_aware.add(instance)


def _in_child() -> None:
    for instance in list(_fork_aware):
        instance.after_fork()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_in_child)
