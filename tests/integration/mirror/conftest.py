"""A database for each test of the mirror: of SQLite, and of PostgreSQL."""

import pytest


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, tmp_path):
    """The path, or the DSN, of an empty database."""
    return request.getfixturevalue("postgres_dsn") if request.param == "postgresql" else str(tmp_path / "mirror.db")
