"""Customer records for tests that need no server, and streams of them."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

from piriod_async import Aggregations, Contact, Country, Customer, CustomerStatus, State

CREATED = datetime(2024, 2, 29, 23, 59, 59, 123456, tzinfo=timezone(timedelta(hours=-3)))
FULL = Customer(
    id="cus_full",
    name='Ñandú "El Cóndor", S.A.\r\nsucursal\n2\r株式会社 👩‍👩‍👧',
    country=Country(id="CL", name="Chile", currencies=("CLP", "CLF"), tax_percent=Decimal("19.00")),
    state=State(id=7, name="Ñuble"),
    email="",
    tax_settings={"cl_activity_description": "Elaboración de pan", "n": [1, None, {"a": 1.5}]},
    metadata={"plan": "gold", 'a "key", with': "; all"},
    status=CustomerStatus("suspendido"),
    sources=("src_1", "src,2"),
    contacts=(
        Contact(id="con_1", customer="cus_full", name="Íñigo\nMuñoz", created=CREATED),
        Contact(name="=1+1", email="@a", invoicing=False),
    ),
    aggregations=Aggregations(
        sales=Decimal("1234567890123456789012345678.0123456789"),
        sales_current_period=Decimal("-0.10"),
        balance=Decimal("1E+3"),
    ),
    test_mode=True,
    created=CREATED,
    updated=datetime(2024, 3, 1, tzinfo=UTC),
)
MINIMAL = Customer(id="cus_minimal", name="")


async def stream(*customers):
    """Yield customers, like a listing."""
    for customer in customers:
        yield customer


async def failing_stream(*customers):
    """Yield customers, then lose the connection."""
    for customer in customers:
        yield customer
    raise ConnectionError("gone")
