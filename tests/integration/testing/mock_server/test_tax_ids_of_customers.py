"""Tax ids of made-up customers, checked as the tax offices of the four countries describe it.

The checks are written apart from the package: each sums digits times weights, the check digit included.
"""

import re
from datetime import date

import pytest

from piriod_async.testing import MockServer

RFC_VALUES = dict(zip("0123456789ABCDEFGHIJKLMN&OPQRSTUVWXYZ Ñ", range(39), strict=True))


def is_rut(text: str) -> bool:
    """Chile: weights 2 to 7 from the right, the check digit (K is ten) with 1; the sum is a multiple of eleven."""
    if not re.fullmatch(r"\d{2}\.\d{3}\.\d{3}-[\dK]", text):
        return False
    *digits, check = text.replace(".", "").replace("-", "")
    values = [10 if check == "K" else int(check), *map(int, reversed(digits))]
    return sum(value * weight for value, weight in zip(values, (1, 2, 3, 4, 5, 6, 7, 2, 3), strict=True)) % 11 == 0


def is_rfc(text: str) -> bool:
    """Mexico, a company: weights 13 to 2 of a blank and eleven characters, 1 of the check digit (A is ten)."""
    if not (match := re.fullmatch(r"[A-ZÑ&]{3}(\d\d)(\d\d)(\d\d)[A-Z\d]{2}[\dA]", text)):
        return False
    year, month, day = map(int, match.groups())
    date(2000 + year, month, day)
    values = [RFC_VALUES[character] for character in f" {text[:-1]}"] + [10 if text[-1] == "A" else int(text[-1])]
    return sum(value * weight for value, weight in zip(values, range(13, 0, -1), strict=True)) % 11 == 0


def is_nit(text: str) -> bool:
    """Colombia: prime weights; a remainder of 0 or 1 is the check digit, another is taken from eleven."""
    if not re.fullmatch(r"\d{3}\.\d{3}\.\d{3}-\d", text):
        return False
    number, check = text.replace(".", "").split("-")
    weights = (41, 37, 29, 23, 19, 17, 13, 7, 3)
    remainder = sum(int(digit) * weight for digit, weight in zip(number, weights, strict=True)) % 11
    return int(check) == (remainder if remainder < 2 else 11 - remainder)


def is_ruc(text: str) -> bool:
    """Peru: eleven digits; eleven minus the remainder, of which the last digit counts."""
    if not re.fullmatch(r"20\d{9}", text):
        return False
    weights = (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)
    total = sum(int(digit) * weight for digit, weight in zip(text[:10], weights, strict=True))
    return int(text[10]) == {10: 0, 11: 1}.get(11 - total % 11, 11 - total % 11)


CHECKS = {
    "CL": (is_rut, ["96.806.980-2", "61.808.000-5", "76.086.428-5"], "76.086.428-6"),
    "MX": (is_rfc, ["SAT970701NN3", "TME840315KT6", "CFE370814QI0", "NWM9709244W4"], "SAT970701NN4"),
    "CO": (is_nit, ["890.903.938-8", "899.999.068-1"], "890.903.938-7"),
    "PE": (is_ruc, ["20131312955", "20100017491"], "20131312956"),
}


@pytest.mark.parametrize("country", CHECKS)
def test_published(country: str) -> None:
    """The checks accept published tax ids, and refuse one whose check digit is wrong."""
    is_valid, published, wrong = CHECKS[country]
    assert all(map(is_valid, published))
    assert not is_valid(wrong)


@pytest.mark.parametrize("seed", [1, 7])
@pytest.mark.parametrize("country", CHECKS)
def test_made_up(country: str, seed: int) -> None:
    """Every tax id has a right check digit."""
    is_valid, *_ = CHECKS[country]
    server = MockServer(5_000, seed=seed)
    tax_ids = [customer["tax_id"] for customer in server.customers() if customer["country"]["id"] == country]
    assert len(tax_ids) > 300
    assert [tax_id for tax_id in tax_ids if not is_valid(tax_id)] == []


@pytest.mark.parametrize("country", CHECKS)
def test_added(country: str) -> None:
    """A customer that is added has a tax id of its country."""
    is_valid, *_ = CHECKS[country]
    server = MockServer([{"country": {"id": country}}])
    for _ in range(20):
        server.add(country=country)
    assert all(is_valid(customer["tax_id"]) for customer in server.customers())
