"""Customers and contacts in one file, by whatever spelling."""

import pytest


@pytest.fixture
def folder(tmp_path):
    """A folder with a folder and a link to itself."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "here").symlink_to(tmp_path)
    return tmp_path


@pytest.mark.parametrize("contacts", ["c.csv", "sub/../c.csv", "here/c.csv", "C.csv"])
def test_refused(contacts, run_cli, folder):
    """The command names the options, and leaves no file."""
    before = sorted(folder.iterdir())
    done = run_cli("customers", "--mock", "3", "-o", folder / "c.csv", "--contacts-output", folder / contacts)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--contacts-output and --output are the same file: expected two" in done.stderr
    assert sorted(folder.iterdir()) == before


def test_hard_link(run_cli, folder):
    """Two names of one file that exists are refused, and the file stays."""
    (folder / "c.csv").write_text("before")
    (folder / "d.csv").hardlink_to(folder / "c.csv")
    done = run_cli("customers", "--mock", "3", "-o", folder / "c.csv", "--contacts-output", folder / "d.csv")
    assert done.returncode == 2
    assert (folder / "d.csv").read_text() == "before"


@pytest.mark.parametrize("suffix", [".part", ".part.state", ".part.tmp"])
def test_temporary_names(suffix, run_cli, folder):
    """Neither file may have a name that the other has until it is complete."""
    before = sorted(folder.iterdir())
    for one, other in (("c.csv", f"c.csv{suffix}"), (f"c.csv{suffix}", "c.csv")):
        options = ("--format", "csv", "-o", folder / one, "--contacts-output", folder / other)
        done = run_cli("customers", "--mock", "3", *options)
        assert done.returncode == 2
        assert f"c.csv{suffix} is a temporary name of " in done.stderr
    assert sorted(folder.iterdir()) == before
