"""The `Age` of responses."""

import pytest
from multidict import CIMultiDict

from piriod_async.transport.freshness import excessive_age


@pytest.mark.parametrize(
    ("value", "age"),
    [
        ("6", 6),
        ("299", 299),
        ("299, 0", 299),
        (" 299 ", 299),
        ("5", None),
        ("0", None),
        ("0, 299", None),
        ("-299", None),
        ("", None),
        ("old", None),
        ("2_99", None),
        ("٢٩٩", None),
        ("299 seconds", None),
        ("inf", None),
        ("nan", None),
        ("9" * 400, None),
    ],
)
def test_value(value, age):
    """An age above five seconds is excessive; a malformed one is ignored."""
    assert excessive_age(CIMultiDict(age=value)) == age


def test_absent():
    """A response without `Age` is not from a cache."""
    assert excessive_age({}) is None
