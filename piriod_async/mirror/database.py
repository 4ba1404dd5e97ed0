"""A database that holds a mirror: one connection, used by one thread, and SQL that SQLite and PostgreSQL both take."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, ClassVar

from piriod_async.mirror.errors import MirrorError


class Database(ABC):
    """A connection to a database. SQL has `?` for parameters, and no other question mark.

    Attributes:
        name: Names the database in messages; without a password.
        types: Types of columns and indexes, by the names that the schema uses.
        begin: Starts a transaction that writes.
        for_update: Ends a query of a row that the transaction is going to change.
        lock_schema: Waits for other transactions that create tables.
    """

    types: ClassVar[Mapping[str, str]]
    begin: ClassVar[str]
    for_update: ClassVar[str]
    lock_schema: ClassVar[str]
    failures: tuple[type[Exception], ...]  # of the driver

    def __init__(self, name: str, connection: Any) -> None:
        self.name = name
        self._connection = connection

    def fetch(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        with self.errors():
            rows: list[tuple[Any, ...]] = self._connection.execute(self._translate(sql), parameters).fetchall()
        return rows

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Execute a statement, and return how many rows it changed."""
        with self.errors():
            return int(self._connection.execute(self._translate(sql), parameters).rowcount)

    def execute_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Execute a statement for each row."""
        if rows:
            with self.errors():
                self._connection.cursor().executemany(self._translate(sql), rows)

    @abstractmethod
    def set_up(self) -> None:
        """Prepare a new connection.

        Raises:
            MirrorError: It cannot be used.
        """

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit everything that is executed, or nothing."""
        self.execute(self.begin)
        try:
            yield
            self.execute("commit")
        except BaseException:
            with suppress(MirrorError):  # the database may have rolled back already
                self.execute("rollback")
            raise

    def close(self) -> None:
        """Close the connection."""
        with suppress(*self.failures):
            self._connection.close()

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Raise errors of the driver as `MirrorError`."""
        try:
            yield
        except self.failures as error:
            raise MirrorError(f"{self.name}: {self.describe(error)}") from error

    def describe(self, error: Exception) -> str:
        """Return the message of an error of the driver."""
        return str(error)

    @property
    @abstractmethod
    def is_closed(self) -> bool:
        """Whether the connection is lost."""

    @abstractmethod
    def objects(self, names: Sequence[str]) -> set[str]:
        """Return which of these names tables, views and indexes of the database have."""

    @abstractmethod
    def check_empty(self) -> None:
        """Check that a mirror may be created in the database.

        Raises:
            MirrorError: It belongs to another program.
        """

    @abstractmethod
    def _translate(self, sql: str) -> str:
        """Return SQL with the driver's own placeholders."""
