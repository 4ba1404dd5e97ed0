"""The lock of a mirror: one sync at a time, and none that was taken over can write.

A sync holds the lock by the number of its run, for a minute at a time. The lock of a process that has died is taken
over at once on the same machine, elsewhere when the minute is over. Every transaction of a sync checks that it still
holds the lock, so a process that was only asleep, and wakes, writes nothing.
"""

import os
import socket
import sys
from contextlib import suppress
from pathlib import Path

from attrs import frozen

from piriod_async.mirror.database import Database
from piriod_async.mirror.errors import MirrorBusyError
from piriod_async.mirror.undo import undo

LEASE_SECONDS = 60
RENEW_SECONDS = 15


@frozen(kw_only=True)
class Lock:
    """A lock that was taken.

    Attributes:
        run: Number of the new run.
        complete_run: Number of the last complete run.
    """

    run: int
    complete_run: int


def take(database: Database, now: float) -> Lock:
    """Take the lock, and remove what an incomplete run has left. Call it in a transaction.

    Args:
        database: The database.
        now: The time, in seconds.

    Raises:
        MirrorBusyError: Another sync has it.
    """
    columns = "fence, complete_run, lock_run, lock_owner, lock_expires"
    [(fence, complete, run, owner, expires)] = database.fetch(
        f"select {columns} from piriod_mirror{database.for_update}"
    )
    if run is not None and expires > now and not _is_dead(owner):
        raise MirrorBusyError(f"{database.name}: another sync (run {run}, {owner}) is writing to it")
    undo(database, "{} > ?", complete)
    database.execute(
        "update piriod_mirror set fence = ?, lock_run = ?, lock_owner = ?, lock_expires = ?",
        (fence + 1, fence + 1, _owner(), int(now) + LEASE_SECONDS),
    )
    return Lock(run=fence + 1, complete_run=complete)


def renew(database: Database, run: int, now: float) -> None:
    """Keep the lock. Call it first in every transaction of a sync.

    Raises:
        MirrorBusyError: Another sync has taken it over.
    """
    expires = int(now) + LEASE_SECONDS
    if not database.execute("update piriod_mirror set lock_expires = ? where lock_run = ?", (expires, run)):
        raise MirrorBusyError(f"{database.name}: another sync has taken it over from this one (run {run})")


def release(database: Database, run: int) -> None:
    """Give the lock back, if it is still held."""
    database.execute(
        "update piriod_mirror set lock_run = null, lock_owner = null, lock_expires = null where lock_run = ?", (run,)
    )


def _owner() -> str:
    return f"process {os.getpid()} on {_machine()}"


def _machine() -> str:
    """Return a name for the processes that see each other's numbers: a container has numbers of its own.

    Host names may be the same, and outside of containers so is the name of the namespace.
    """
    parts = [socket.gethostname()]
    with suppress(OSError):
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
    return " ".join(parts)


def _is_dead(owner: str) -> bool:
    """Return whether the owner is known to have died."""
    number, _, machine = owner.removeprefix("process ").partition(" on ")
    if sys.platform == "win32" or machine != _machine() or not number.isdecimal():
        return False
    try:
        os.kill(int(number), 0)  # sends nothing
    except ProcessLookupError:
        return True
    except OSError:  # another user's
        return False
    return False
