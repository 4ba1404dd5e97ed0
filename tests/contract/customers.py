"""The customers that both servers have: made-up ones, and these, which queries single out."""

from datetime import UTC, datetime, timedelta
from typing import Any

NOON = datetime(2031, 5, 5, 12, tzinfo=UTC)
NEW_YEAR = datetime(2031, 1, 1, 3, tzinfo=UTC)  # midnight in Santiago
SPECIAL: list[dict[str, Any]] = [
    {"id": "cus_eve", "name": "Orden b", "email": "b@orden.cl", "created": NEW_YEAR - timedelta(microseconds=1)},
    {"id": "cus_new_year", "name": "Orden c", "email": "c@orden.cl", "created": NEW_YEAR},
    {"id": "cus_noon", "name": "Orden a", "email": "d@orden.cl", "created": NOON},
    {"id": "cus_noon_1", "name": "Orden a", "email": "a@orden.cl", "created": NOON.replace(microsecond=1)},
    {
        "id": "cus_odd",
        "name": "Ñuñoa & Cía = 100%",
        "email": "a+b@c.cl",
        "tax_id": "76.123.456-K",
        "metadata": {"plan largo": "sí", "a.b": "x&y=z", "año": "2031", "k&v": "1 + 1", "seats": 5, "vip": True},
        "sources": ["src_odd", "src_shared"],
        "subscriptions": ["sub_odd", "sub_other"],
        "created": NOON.replace(microsecond=123000),
    },
    {
        "id": "cus_last",
        "name": "_snake_ 50%",
        "metadata": {"plan largo": "no"},
        "sources": ["src_shared"],
        "subscriptions": [],
        "created": NOON.replace(microsecond=999999),
    },
]
MADE_UP = 244
COUNT = MADE_UP + len(SPECIAL)
