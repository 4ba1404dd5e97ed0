"""Check digits of tax ids, against published ones."""

from piriod_async.testing.mock_server.tax_ids import nit, rfc, ruc, rut, with_rfc_check_digit


def test_rut() -> None:
    """Chilean RUTs of known companies are right, and all check digits occur."""
    assert [rut(n) for n in (96_806_980, 61_808_000, 76_086_428)] == ["96.806.980-2", "61.808.000-5", "76.086.428-5"]
    assert {rut(n)[-1] for n in range(76_000_000, 76_000_100)} == set("0123456789K")


def test_nit() -> None:
    """Colombian NITs of known companies are right."""
    assert [nit(n) for n in (890_903_938, 899_999_068)] == ["890.903.938-8", "899.999.068-1"]


def test_ruc() -> None:
    """Peruvian RUCs of known companies are right."""
    assert [ruc(n) for n in (13_131_295, 10_001_749)] == ["20131312955", "20100017491"]


def test_rfc_check_digit() -> None:
    """Mexican RFCs of known companies are right, and all check digits occur."""
    known = ["SAT970701NN3", "BIM011108DJ5", "TME840315KT6", "CFE370814QI0", "BNM840515VB1", "NWM9709244W4"]
    assert [with_rfc_check_digit(published[:-1]) for published in known] == known
    assert {rfc(n)[-1] for n in range(40_000_000, 40_000_100)} == set("0123456789A")


def test_rfc() -> None:
    """Every number gives its own RFC, with a date and a check digit."""
    ids = {rfc(n) for n in range(40_000_000, 40_020_000)}
    assert len(ids) == 20_000
    assert "UIH070813L38" in ids
    assert all(with_rfc_check_digit(id_[:-1]) == id_ for id_ in ids)
