"""Tax identifiers with the check digit their country's tax office would give them."""

from collections.abc import Iterable
from itertools import cycle


def rut(number: int) -> str:
    """Chile: ``76.123.456-0``, modulo 11, with a K for ten."""
    check = "0123456789K0"[11 - _weighted(reversed(str(number)), cycle(range(2, 8))) % 11]
    return f"{number:,}".replace(",", ".") + f"-{check}"


def nit(number: int) -> str:
    """Colombia: ``900.123.456-8``, modulo 11 with primes for weights."""
    check = "01987654321"[_weighted(reversed(str(number)), (3, 7, 13, 17, 19, 23, 29, 37, 41)) % 11]
    return f"{number:,}".replace(",", ".") + f"-{check}"


def ruc(number: int) -> str:
    """Peru: eleven digits, ``20`` in front for a company, the last one a check digit."""
    digits = f"20{number:08}"
    return f"{digits}{(11 - _weighted(digits, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11) % 10}"


def rfc(number: int) -> str:
    """Mexico: three letters, a date of foundation and three characters more, such as ``BQZ081127A94``."""
    rest, homoclave = divmod(number, 1000)
    rest, day = divmod(rest, 28)
    rest, month = divmod(rest, 12)
    rest, year = divmod(rest, 24)
    letters = "".join(chr(ord("A") + rest // 26**place % 26) for place in range(3))
    return f"{letters}{year:02}{month + 1:02}{day + 1:02}{'ABCDEFGHIJ'[homoclave // 100]}{homoclave % 100:02}"


def _weighted(digits: Iterable[str], weights: Iterable[int]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False))
