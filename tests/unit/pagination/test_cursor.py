"""The cursor: which customers are new, and what is left to read."""

from datetime import timedelta

import pytest

from piriod_async.errors import IncompleteListError
from piriod_async.pagination.cursor import Cursor, require_created
from piriod_async.pagination.time_range import TimeRange
from tests.support.moving_list import EPOCH, Key


def key(name):
    """Return the key of a customer created at the hour that its name starts with."""
    return Key(name, EPOCH + timedelta(hours=int(name[0]), microseconds=1))


def keys(*names):
    return [key(name) for name in names]


def ids(new):
    return "".join(f"{key.id} " for key in new).split()


def test_take_new():
    """`take_new` returns the keys after the cursor, without duplicates, and advances past them."""
    cursor = Cursor(descending=False)
    assert ids(cursor.take_new(keys("1", "2a", "2b", "2a"))) == ["1", "2a", "2b"]
    assert (cursor.created, cursor.seen_ids) == (key("2").created, {"2a", "2b"})
    assert ids(cursor.take_new(keys("1", "2b", "2c"))) == ["2c"]
    assert cursor.seen_ids == {"2a", "2b", "2c"}
    assert ids(cursor.take_new(keys("2c", "3", "4"))) == ["3", "4"]
    assert (cursor.created, cursor.seen_ids) == (key("4").created, {"4"})


def test_take_new_descending():
    """With the newest first, later customers are behind the cursor."""
    cursor = Cursor(descending=True)
    assert ids(cursor.take_new(keys("4", "3a"))) == ["4", "3a"]
    assert ids(cursor.take_new(keys("4", "3a", "3b", "1"))) == ["3b", "1"]
    assert cursor.created == key("1").created


@pytest.mark.parametrize("names", [[], ["1"], ["1", "2"]])
def test_nothing_new(names):
    """Keys at or behind the cursor that were read before leave it where it is."""
    cursor = Cursor(False, key("2").created, {"2"})
    assert not cursor.has_new(keys(*names))
    assert cursor.take_new(keys(*names)) == ()
    assert cursor == Cursor(False, key("2").created, {"2"})


@pytest.mark.parametrize("names", [["2b"], ["2b", "2"], ["1", "3"]])
def test_has_new(names):
    """Keys after the cursor, and unread ones of its own instant, are new; asking does not advance it."""
    cursor = Cursor(False, key("2").created, {"2"})
    assert cursor.has_new(keys(*names))
    assert cursor == Cursor(False, key("2").created, {"2"})
    assert Cursor(False).has_new(keys(*names))


@pytest.mark.parametrize("descending", [False, True])
def test_is_behind(descending):
    """Instants before the cursor are behind it, its own instant is not, and at the start none is."""
    cursor = Cursor(descending, key("2").created)
    assert [cursor.is_behind(key(name).created) for name in "123"] == [not descending, False, descending]
    assert not Cursor(descending).is_behind(key("1").created)


@pytest.mark.parametrize("descending", [False, True])
def test_remaining(descending):
    """The remaining range starts at the cursor's own instant, as wide as its printed timestamp may be."""
    created, tick = key("2").created, timedelta(microseconds=1)
    expected = TimeRange(lte=created + tick) if descending else TimeRange(gte=created - tick)
    assert Cursor(descending, created).remaining() == expected
    assert Cursor(descending).remaining() == TimeRange()


def test_copy():
    """A copy is independent of the original."""
    cursor = Cursor(False, key("2").created, {"2"})
    copy = cursor.copy()
    assert copy == cursor
    cursor.take_new(keys("2b"))
    assert copy == Cursor(False, key("2").created, {"2"})


def test_created_omitted():
    """A customer without `created` is an error that says how to list without it."""
    assert require_created(key("1")) == key("1").created
    with pytest.raises(IncompleteListError, match=r"customer cus_1 has no `created` .*: list with ordering=None"):
        require_created(Key("cus_1", None))
