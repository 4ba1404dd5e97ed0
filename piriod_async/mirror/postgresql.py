"""PostgreSQL, by psycopg 3."""

import re
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

from piriod_async.mirror.database import Database
from piriod_async.mirror.errors import MirrorError
from piriod_async.transport.auth import Secret

CONNECT_SECONDS = 15
LOCK_SECONDS = 10  # a transaction of a mirror takes milliseconds; one of a process that was stopped may never end
TABLES = ("piriod_mirror", "piriod_runs", "piriod_versions", "piriod_workspaces", "customers", "changes")
_PASSWORD_OPTION = re.compile(r"password=([^&\s]+)")
# any other `@` may be a password's: what looks like a host is a part of it
_ONE_HOST = re.compile(r"([^@/?#]*@)?[^@]*")


class PostgresDatabase(Database):
    """The current schema of a PostgreSQL database."""

    types: ClassVar = {
        "key": 'text collate "C"',  # in the order of SQLite and of Python, whatever the language of the database
        "bytes": "bytea",
        "moment": "timestamptz",
        "amount": "numeric",
        "json": "json",
        "equality": "using hash",  # a B-tree refuses values longer than 2,704 bytes
    }
    begin = "begin"
    for_update = " for update"
    lock_schema = "select pg_advisory_xact_lock(hashtext('piriod_mirror'))"

    def __init__(self, name: str, connection: Any, passwords: Sequence[Secret], psycopg: Any) -> None:
        super().__init__(name, connection)
        self.failures = (psycopg.Error, OSError, OverflowError, UnicodeError)
        self._passwords = passwords

    @classmethod
    def open(cls, dsn: Secret) -> "PostgresDatabase":
        """Connect.

        Raises:
            MirrorError: The driver is missing, or the server cannot be reached.
        """
        try:
            import psycopg  # noqa: PLC0415 (an extra)
            from psycopg.types.string import TextLoader  # noqa: PLC0415
        except ImportError as error:
            wanted = "expected the driver: pip install 'piriod-async[mirror-postgres]'"
            raise MirrorError(f"{describe_dsn(dsn)}: {wanted}") from error
        name, passwords = describe_dsn(dsn), _passwords(dsn)
        connection, problem = None, ""
        url = "postgresql://" + dsn.reveal().partition("://")[2]
        try:
            connection = psycopg.connect(
                Secret(url).reveal(), autocommit=True, connect_timeout=CONNECT_SECONDS, client_encoding="utf8"
            )
        except (psycopg.Error, UnicodeError, OSError) as error:
            problem = _without(str(error), passwords)
            if not _has_one_host(dsn):  # libpq quotes what it takes for the host, port or database
                problem = "no connection. In a password, @ / ? # are expected as %40 %2F %3F %23"
        finally:
            url = ""
        if connection is None:  # raised here, without a context: its frames have the password
            raise MirrorError(f"{name}: {problem}")
        connection.adapters.register_loader("json", TextLoader)
        return cls(name, connection, passwords, psycopg)

    def set_up(self) -> None:
        """Set the time zone, and how long to wait for others."""
        self.execute("set timezone to 'UTC'")
        self.execute(f"set lock_timeout to '{int(LOCK_SECONDS * 1000)}ms'")

    @property
    def is_closed(self) -> bool:
        """Whether the server hung up."""
        return bool(self._connection.closed)

    def describe(self, error: Exception) -> str:
        """Return the message of an error, without a password."""
        return _without(str(error), self._passwords)

    def objects(self, names: Sequence[str]) -> set[str]:
        """Return which of these names tables, views and indexes of the current schema have."""
        sql = "select relname::text from pg_class where relnamespace = quote_ident(current_schema())::regnamespace "
        return {name for (name,) in self.fetch(sql + "and relname = any(?)", [list(names)])}

    def check_empty(self) -> None:
        """Check that no other table has the name of one of the mirror's."""
        if taken := self.objects(TABLES):
            elsewhere = (
                "give the mirror a schema of its own: ?options=-csearch_path%3Dpiriod, after `create schema piriod`"
            )
            raise MirrorError(
                f"{self.name}: expected a mirror, or a schema without {', '.join(sorted(taken))}, which is another "
                f"program's: {elsewhere}"
            )

    def _translate(self, sql: str) -> str:
        return _translate(sql)


@cache
def _translate(sql: str) -> str:
    return sql.replace("?", "%s")


def describe_dsn(dsn: Secret) -> str:
    """Return the host and database of a DSN, without user and password."""
    with suppress(ValueError):
        if not _has_one_host(dsn):
            return "postgresql://…"
        parts = urlsplit(dsn.reveal())
        return f"postgresql://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"
    return "postgresql://…"


def _has_one_host(dsn: Secret) -> bool:
    return bool(_ONE_HOST.fullmatch(dsn.reveal().partition("://")[2]))


def _passwords(dsn: Secret) -> list[Secret]:
    """Return every form of a password in a DSN, even if the rest of it is malformed."""
    found = [dsn.reveal().partition("://")[2].rpartition("@")[0].partition(":")[2]]
    found += _PASSWORD_OPTION.findall(dsn.reveal())
    return [Secret(each) for password in found if password for each in (password, unquote(password))]


def _without(text: str, passwords: Sequence[Secret]) -> str:
    for each in passwords:
        text = text.replace(each.reveal(), "********")
    return text
