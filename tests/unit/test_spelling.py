"""Misspelt names: the message names the function that was called, and the argument that was meant."""

import re

import pytest

from piriod_async import PiriodSession
from piriod_async.integrations.dlt import customers
from piriod_async.spelling import closest

PIRIOD = PiriodSession("any-token", "acc_1")
CALLS = {
    "customers": PIRIOD.customers,
    "across": lambda **filters: PIRIOD.across(["acc_1"], **filters),
    "with_query": lambda **filters: PIRIOD.customers().with_query(**filters),
}
MISSPELT = {
    "contry": "country",
    "emial": "email",
    "nmae": "name",
    "created_gte": "created__gte",
    "taxid": "tax_id",
    "pagesize": "page_size",
}


@pytest.mark.parametrize("function", CALLS)
def test_filters(function):
    """A misspelt filter is not taken for another function's, and the right one is suggested."""
    for wrong, right in MISSPELT.items():
        with pytest.raises(TypeError) as caught:
            CALLS[function](**{wrong: "CL", "email": "a@b.cl"})
        assert (
            str(caught.value) == f"{function}() got an unexpected keyword argument {wrong!r}. Did you mean {right!r}?"
        )


def test_own_arguments():
    """The arguments of the function itself are suggested too."""
    for call, wrong, right in (
        (CALLS["customers"], "on_invald", "on_invalid"),
        (CALLS["across"], "on_eror", "on_error"),
        (CALLS["with_query"], "prefech", "prefetch"),
        (lambda **filters: customers(PIRIOD, **filters), "contry", "country"),
    ):
        with pytest.raises(TypeError, match=f"Did you mean '{right}'"):
            call(**{wrong: "skip"})


def test_nothing_similar():
    """Without a similar name, all are named; what was passed is not shown, for it may be a token."""
    expected = (
        "customers() got an unexpected keyword argument 'token': expected some of workspace, after, check_filters"
    )
    with pytest.raises(TypeError, match=re.escape(expected)) as caught:
        PIRIOD.customers(token="tk_secret", vat="1")
    assert not any("tk_secret" in str(frame.frame.f_locals) for frame in caught.traceback[1:])


@pytest.mark.parametrize("name", ["loyalty", "country_code", "account", "x"])
def test_other_names(name):
    """A name that is no misspelling has no suggestion."""
    assert closest(name, ("country", "name", "email", "currency", "contacts")) is None
