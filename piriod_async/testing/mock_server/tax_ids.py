"""Tax ids with valid check digits, as validators of forms and invoices expect them.

They are computed, not taken from a table: each customer of a workspace has its own, however large the workspace is.
"""

from collections.abc import Iterable
from itertools import cycle

_RFC_VALUES = "0123456789ABCDEFGHIJKLMN&OPQRSTUVWXYZ Ñ"  # a character's position is its value
_RFC_HOMOCLAVE = "123456789ABCDEFGHIJKLMNPQRSTUVWXYZ"


def rut(number: int) -> str:
    """Format a Chilean RUT, such as `76.123.456-0`: modulo 11, K stands for ten."""
    check = "0123456789K0"[11 - _weighted(reversed(str(number)), cycle(range(2, 8))) % 11]
    return f"{number:,}".replace(",", ".") + f"-{check}"


def nit(number: int) -> str:
    """Format a Colombian NIT, such as `900.123.456-8`: modulo 11 with prime weights."""
    check = "01987654321"[_weighted(reversed(str(number)), (3, 7, 13, 17, 19, 23, 29, 37, 41)) % 11]
    return f"{number:,}".replace(",", ".") + f"-{check}"


def ruc(number: int) -> str:
    """Format a Peruvian RUC of eleven digits: `20` marks a company, the last digit is the check digit."""
    digits = f"20{number:08}"
    return f"{digits}{(11 - _weighted(digits, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11) % 10}"


def rfc(number: int) -> str:
    """Format a Mexican company's RFC: three letters, date of foundation, two characters and a check digit."""
    rest, day = divmod(number, 28)
    rest, month = divmod(rest, 12)
    rest, year = divmod(rest, 24)
    letters = "".join(chr(ord("A") + rest // 26**position % 26) for position in range(3))
    homoclave = _RFC_HOMOCLAVE[number % 34] + _RFC_HOMOCLAVE[number // 34 % 34]
    return with_rfc_check_digit(f"{letters}{year:02}{month + 1:02}{day + 1:02}{homoclave}")


def with_rfc_check_digit(rfc: str) -> str:
    """Append the check digit to a company's RFC: modulo 11, A stands for ten."""
    values = (_RFC_VALUES.index(character) for character in f" {rfc}")  # a company's RFC is padded to a person's
    return rfc + "0123456789A0"[11 - _weighted(values, range(13, 1, -1)) % 11]


def _weighted(digits: Iterable[str | int], weights: Iterable[int]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False))
