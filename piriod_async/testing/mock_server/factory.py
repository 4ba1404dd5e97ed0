"""Made-up but realistic customers, the same for the same seed."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, TypeVar
from unicodedata import normalize

from piriod_async.testing.mock_server.countries import COUNTRIES, CountryProfile
from piriod_async.testing.mock_server.customer_fields import CustomerFields
from piriod_async.testing.mock_server.stored_customer import StoredCustomer, id_of

FIRST_DAY = datetime(2023, 1, 2, tzinfo=UTC)
LAST_DAY = datetime(2026, 10, 1, tzinfo=UTC)

TRADES = (
    *("Panadería", "Ferretería", "Clínica Dental", "Comercial", "Transportes", "Librería", "Constructora", "Viña"),
    *("Consultora", "Agrícola", "Laboratorio", "Imprenta", "Gimnasio", "Óptica", "Veterinaria", "Servicios"),
)
NAMES = (
    *("Peñaflor", "Ñandú", "Los Álamos", "San Martín", "El Roble", "Cordillera", "Muñoz Hermanos", "Aconcagua"),
    *("Bío", "Núñez y Cía.", "La Española", "Pacífico Sur", "El Cóndor", "Santa Inés", "Añañuca", "Quillay"),
)
FIRST_NAMES = (
    *("Íñigo", "Begoña", "José", "María", "Sofía", "Martín", "Antonia", "Andrés", "Valentina", "Joaquín"),
    *("Camila", "Tomás", "Javiera", "Nicolás", "Belén", "Ramón"),
)
LAST_NAMES = (
    *("Muñoz", "Núñez", "González", "Peña", "Pérez", "Ibáñez", "Rojas", "Ordóñez", "Quiñones", "Soto"),
    *("Zúñiga", "Castañeda", "Huamán", "Yáñez", "Vargas", "Cárdenas"),
)
METADATA: tuple[dict[str, str], ...] = (
    *({"plan": "gold"}, {"plan": "gold", "segment": "empresa"}, {"plan": "silver"}, {"plan": "bronze"}),
    *({"plan": "silver", "segment": "pyme"}, {"plan": "bronze", "segment": "pyme", "ejecutiva": "Begoña Núñez"}, {}),
)
STATUSES = (*["active"] * 47, "archived", "archived", "pending")
ACTIVITIES = ("Venta al por menor", "Servicios de consultoría", "Elaboración de pan", "Transporte de carga")

MAX_SLUG = 40  # characters of a name that its domain has

T = TypeVar("T")

_WEIGHTED_COUNTRIES = tuple(country for country in COUNTRIES.values() for _ in range(country.weight))
_NOTHING_GIVEN = CustomerFields()
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def spaced_timestamps(size: int, random: Random) -> Iterator[datetime]:
    """Yield distinct ascending timestamps from `FIRST_DAY` to `LAST_DAY`, one at random in each of `size` intervals."""
    interval = (LAST_DAY - FIRST_DAY) // timedelta(microseconds=1) // max(size, 1)
    for index in range(size):
        yield FIRST_DAY + timedelta(microseconds=index * interval + int(random.random() * interval))


def later(moment: datetime, delta: timedelta) -> datetime:
    """Return a later time, or the same at the end of the year 9999."""
    try:
        return moment + delta
    except OverflowError:
        return moment


class CustomerFactory:
    """Makes any number of customers for one workspace.

    Args:
        random: Source of every choice.
        test_mode: The customers' `test_mode`.
    """

    def __init__(self, random: Random, *, test_mode: bool) -> None:
        self._random = random
        self._test_mode = test_mode
        self._serial = 0
        self._salt = self._below(1_000_000)

    def make(self, created: datetime, given: CustomerFields = _NOTHING_GIVEN) -> StoredCustomer:
        """Make the next customer.

        Args:
            created: Its creation time, unless it is given.
            given: Fields that are not made up. The others go with them: a state of that country, contacts of that id.
        """
        self._serial += 1
        created = given.columns.get("created", created)
        country = self._pick(_WEIGHTED_COUNTRIES)  # even if it is given: the other choices stay the same
        country = self._given_country(given) or country
        state, state_name, city = self._pick(country.states)
        manager = self._person()
        is_company = self._chance(0.8)
        name = self._company(country.suffixes) if is_company else self._person()
        given_name = given.payload.get("name")
        slug = _slug(given_name if isinstance(given_name, str) else name)[:MAX_SLUG]
        domain = f"{slug}{self._serial}.{country.id.lower()}"
        sales = self._below(900_000_000)
        id_ = given.columns.get("id", self._id("cus"))
        payload = {
            "id": id_,
            "name": name,
            "address": f"{self._pick(country.streets)} {1 + self._below(9_900)}, {city}",
            "country": country.payload,
            "state": {"id": state, "name": state_name, "country": country.id},
            "currency": country.currency,
            "email": f"{'facturas+dte' if self._chance(0.1) else 'contacto'}@{domain}" if self._chance(0.95) else None,
            "phone": country.mobile.format(self._below(100_000_000)) if self._chance(0.8) else None,
            "website": f"https://www.{domain}/" if is_company else None,
            "zip_code": f"{self._below(10_000_000):07}" if self._chance(0.5) else None,
            "manager": manager if self._chance(0.3) else None,
            "reference": f"ERP-{self._serial:06}" if self._chance(0.6) else None,
            # 7,919 is coprime to the range, so tax ids are unique in a workspace of up to a million customers
            "tax_id": country.tax_id(country.first_tax_id + (self._serial * 7_919 + self._salt) % 1_000_000),
            "tax_settings": {"cl_activity_description": self._pick(ACTIVITIES)} if country.id == "CL" else {},
            "metadata": self._pick(METADATA),
            "send_invoices": self._chance(0.95),
            "send_collections": self._chance(0.9),
            "send_vouchers": self._chance(0.9),
            "status": self._pick(STATUSES),
            "contacts": [self._contact(id_, domain, country.mobile, created) for _ in range(self._below(4))],
            "sources": [self._id("src") for _ in range(self._below(3))],
            "aggregations": {
                "sales": _money(sales),
                "sales_current_period": _money(self._below(sales // 10 + 1)),
                "balance": _money(self._below(sales // 5 + 1) if self._chance(0.3) else 0),
            },
            "test_mode": self._test_mode,
            "created": created,
            "updated": later(created, timedelta(seconds=self._below(5_000_000), microseconds=self._below(1_000_000))),
        }
        customer = StoredCustomer(payload, subscriptions=[self._id("sub") for _ in range(self._below(3))])
        customer.set(given)
        return customer

    def _given_country(self, given: CustomerFields) -> CountryProfile | None:
        id_ = id_of(given.payload.get("country"))
        return COUNTRIES.get(id_) if isinstance(id_, str) else None

    def _contact(self, customer: str, domain: str, mobile: str, created: datetime) -> dict[str, Any]:
        name = self._person()
        return {
            "id": self._id("con"),
            "customer": customer,
            "orgunit": self._id("org") if self._chance(0.1) else None,
            "name": name,
            "email": f"{_slug(name)}@{domain}",
            "phone": mobile.format(self._below(100_000_000)) if self._chance(0.7) else None,
            "invoicing": self._chance(0.8),
            "collections": self._chance(0.6),
            "created": created,
            "updated": created,
        }

    def _company(self, suffixes: tuple[str, ...]) -> str:
        return f"{self._pick(TRADES)} {self._pick(NAMES)} {self._pick(suffixes)}"

    def _person(self) -> str:
        return f"{self._pick(FIRST_NAMES)} {self._pick(LAST_NAMES)} {self._pick(LAST_NAMES)}"

    def _id(self, prefix: str) -> str:
        bits = self._random.getrandbits(100)
        return f"{prefix}_" + "".join([_ALPHABET[bits >> shift & 31] for shift in range(0, 100, 5)])

    # Random.choice and randrange take three times as long, and a customer takes some forty choices

    def _pick(self, options: tuple[T, ...]) -> T:
        return options[self._below(len(options))]

    def _below(self, limit: int) -> int:
        return int(self._random.random() * limit)

    def _chance(self, probability: float) -> bool:
        return self._random.random() < probability


def _money(cents: int) -> Decimal:
    return Decimal(cents).scaleb(-2)


def _slug(name: str) -> str:
    plain = normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return "".join(filter(str.isalnum, plain))
