"""SQLite, in a file of its own."""

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from piriod_async.mirror.database import Database
from piriod_async.mirror.errors import MirrorError
from piriod_async.plain_text import shown

BUSY_SECONDS = 10  # a transaction of a mirror takes milliseconds


class SqliteDatabase(Database):
    """A SQLite file. In WAL mode, so that readers see the last complete run while a sync writes."""

    types: ClassVar = {
        "key": "TEXT",
        "bytes": "BLOB",
        "moment": "TEXT",
        "amount": "TEXT",
        "json": "TEXT",
        "equality": "",
    }
    begin = "begin immediate"
    for_update = ""
    lock_schema = "select 1"  # `begin immediate` has waited
    failures = (sqlite3.Error, OSError, OverflowError, UnicodeError)

    @classmethod
    def open(cls, path: Path) -> "SqliteDatabase":
        """Open a file, which is created if it is missing.

        Raises:
            MirrorError: It cannot be used.
        """
        try:
            if path.is_dir() or not path.parent.is_dir():
                expected = "a file, not a folder" if path.is_dir() else "a file in a folder that exists"
                raise MirrorError(f"{path}: expected {expected}")
            if not (os.access(path.parent, os.W_OK) and (os.access(path, os.W_OK) or not path.exists())):
                needed = "in a folder where files can be made: SQLite needs that to read it, too"
                raise MirrorError(f"{path}: read-only: expected a file that can be written, {needed}")
            connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY_SECONDS, check_same_thread=False)
        except (sqlite3.Error, OSError) as error:
            raise MirrorError(f"{path}: {error}") from error
        return cls(str(path), connection)

    def set_up(self) -> None:
        """Check what the file is, and choose how it is written."""
        if not self.objects(["piriod_mirror"]):  # raises if it is no database
            self.check_empty()  # before anything is written to it
        self.execute("pragma journal_mode = wal")
        self.execute("pragma synchronous = full")  # else a power cut may undo a run whose changes were read

    @property
    def is_closed(self) -> bool:
        """Never: a file cannot hang up."""
        return False

    def objects(self, names: Sequence[str]) -> set[str]:
        """Return which of these names tables, views and indexes of the file have."""
        marks = ",".join("?" * len(names))
        return {name for (name,) in self.fetch(f"select name from sqlite_master where name in ({marks})", names)}

    def check_empty(self) -> None:
        """Check that the file has no tables."""
        for (table,) in self.fetch("select name from sqlite_master limit 1"):
            problem = f"it has the table {shown(table)} of another program"
            raise MirrorError(f"{self.name}: expected a mirror, or a new file; {problem}")

    def _translate(self, sql: str) -> str:
        return sql
