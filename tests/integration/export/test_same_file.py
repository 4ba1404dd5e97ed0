"""Customers and contacts in one file, by whatever spelling: refused before anything is written."""

import gzip
import io
import os

import pytest

from piriod_async import export
from piriod_async.export.atomic_file import is_same_file
from tests.support.customers import FULL, stream

SPELLINGS = {
    "same": lambda folder: folder / "ñ.csv",
    "text": lambda folder: str(folder / "ñ.csv"),
    "relative": lambda folder: os.path.relpath(folder / "ñ.csv"),
    "parent": lambda folder: folder / "sub" / ".." / "ñ.csv",
    "link to the folder": lambda folder: folder / "here" / "ñ.csv",
    "link to the file": lambda folder: folder / "link.csv",
}


@pytest.fixture
def folder(tmp_path):
    """A folder with a folder, a link to itself, and a link to a file."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "here").symlink_to(tmp_path)
    (tmp_path / "link.csv").symlink_to("ñ.csv")
    return tmp_path


@pytest.mark.parametrize("exists", [False, True])
@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
async def test_spellings(spelling, exists, folder):
    """The contacts may not go to the customers' file, whether it exists or not."""
    file = folder / "ñ.csv"
    if exists:
        file.write_bytes(b"before")
    before = sorted(folder.iterdir())
    for one, other in ((file, spelling(folder)), (spelling(folder), file)):
        with pytest.raises(export.ExportError, match=r"contacts=.*: expected a different file for the contacts"):
            await export.write_csv(stream(FULL), one, contacts=other)
    assert sorted(folder.iterdir()) == before
    assert not exists or file.read_bytes() == b"before"


@pytest.mark.parametrize("name", ["Ñ.CSV", "n\u0303.csv"])
def test_names_that_may_be_one(name, folder):
    """Names that differ only in case, or in how they are composed, are one file on many file systems."""
    assert is_same_file(folder / "ñ.csv", folder / name)
    (folder / "ñ.csv").touch()
    assert is_same_file(folder / "ñ.csv", folder / name) == (folder / name).exists()


@pytest.mark.parametrize("open_file", [False, True])
async def test_hard_link_and_open_file(open_file, folder):
    """A second name of a file, and a file that is open already, are recognized."""
    (folder / "a.csv").touch()
    (folder / "b.csv").hardlink_to(folder / "a.csv")
    with (folder / "b.csv").open("wb") as file, gzip.open(file, "wb") as zipped:
        for contacts in (file, zipped) if open_file else (folder / "b.csv",):
            with pytest.raises(export.ExportError, match="expected a different file"):
                await export.write_csv(stream(FULL), folder / "a.csv", contacts=contacts)
    assert (folder / "a.csv").samefile(folder / "b.csv")


def test_different_files(folder):
    """Equal names in different folders, and missing folders, are not one file."""
    (folder / "a.csv").touch()
    for one, other in (("a.csv", "sub/a.csv"), ("b.csv", "sub/b.csv"), ("a.csv", "b.csv"), ("no/a.csv", "none/a.csv")):
        assert not is_same_file(folder / one, folder / other)
    assert not is_same_file(io.BytesIO(), folder / "a.csv")
    assert is_same_file(folder / "no" / "a.csv", folder / "no" / "A.csv")


async def test_null_device_twice():
    """Two handles of the null device may receive both."""
    with open(os.devnull, "wb") as one, open(os.devnull, "wb") as other:  # noqa: ASYNC230, PTH123
        assert await export.write_csv(stream(FULL), one, contacts=other) == 1
