"""`PIRIOD_LOG`: the log on standard error."""

import logging
import re
from contextlib import contextmanager

import pytest

from piriod_async import ConfigurationError, PiriodSession
from piriod_async.testing.mock_server import MockServer

pytestmark = pytest.mark.usefixtures("no_leaks")

LOGGER = logging.getLogger("piriod_async")
LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (INFO|DEBUG) piriod_async (attempt|retry|listing)( \w+=\S+)+")


@contextmanager
def unconfigured_logging(value):
    """Set the variable in a process whose logging has no handlers, not even those that pytest adds for each test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIRIOD_LOG", value)
        patch.setattr(logging.root, "handlers", [])
        patch.setattr(LOGGER, "handlers", [])
        yield
    LOGGER.setLevel(logging.NOTSET)


async def read(clock):
    """Read a list with one retry, and filters."""
    async with MockServer(3) as server, server.session(retry=clock.policy()) as piriod:
        server.fail(status=503)
        await piriod.customers(name="Peñaflor").collect()
        return server.token


@pytest.mark.parametrize(
    ("value", "kinds"),
    [
        ("info", ["retry", "listing"]),
        (" INFO\n", ["retry", "listing"]),
        ("debug", ["attempt", "retry", "attempt", "listing"]),
        ("", []),
    ],
)
async def test_levels(clock, capsys, value, kinds):
    """Each line on standard error has its time, level and figures, but neither a filter nor the token."""
    with unconfigured_logging(value):
        token = await read(clock)
    shown = capsys.readouterr().err
    lines = [LINE.fullmatch(line) for line in shown.splitlines()]
    assert [line[2] for line in lines] == kinds
    assert token not in shown
    assert "aflor" not in shown


def test_two_sessions():
    """Another session adds no second handler, and leaves a level that was set meanwhile."""
    with unconfigured_logging("debug"):
        PiriodSession("token")
        LOGGER.setLevel(logging.ERROR)
        PiriodSession("token").with_options(timeout=3)
        assert len(LOGGER.handlers) == 1
        assert LOGGER.level == logging.ERROR


@pytest.mark.parametrize("name", [None, "piriod_async"])
async def test_own_handlers(clock, capsys, name):
    """Where the application has handlers, they receive the lines, and there is no other handler."""
    records, handler = [], logging.Handler()
    handler.emit = records.append
    with unconfigured_logging("info"):
        logging.getLogger(name).addHandler(handler)
        await read(clock)
    assert [record.getMessage().partition(" ")[0] for record in records] == ["retry", "listing"]
    assert not capsys.readouterr().err


async def test_late_handlers(clock, capsys):
    """A root handler that the application adds after its first session takes over."""
    records, handler = [], logging.Handler()
    handler.emit = records.append
    with unconfigured_logging("info"):
        PiriodSession("token")
        logging.root.addHandler(handler)
        await read(clock)
    assert len(records) == 2
    assert not capsys.readouterr().err


@pytest.mark.parametrize("value", ["verbose", "10", "debug,info"])
def test_invalid_value(monkeypatch, value):
    """Another value is an error that names the variable."""
    monkeypatch.setenv("PIRIOD_LOG", value)
    monkeypatch.setenv("PIRIOD_TOKEN", "token")
    for make in (lambda: PiriodSession("token"), PiriodSession.from_env):
        with pytest.raises(ConfigurationError, match=f"^PIRIOD_LOG='{value}': expected info or debug$"):
            make()
