"""An environment without settings of ours and without proxies."""

import pytest

VARIABLES = ("PIRIOD_TOKEN", "PIRIOD_WORKSPACE", "PIRIOD_TEST_MODE", "PIRIOD_BASE_URL")
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    """Unset every variable that a session reads."""
    for name in (*VARIABLES, *PROXIES, *map(str.lower, PROXIES)):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def netrc(monkeypatch, tmp_path):
    """A netrc file with a password for every host."""
    file = tmp_path / "netrc"
    file.write_text("default login me password hunter2\n")
    file.chmod(0o600)
    monkeypatch.setenv("NETRC", str(file))
