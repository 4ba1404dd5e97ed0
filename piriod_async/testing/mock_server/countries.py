"""Country-specific data for made-up customers: states, company suffixes, streets, phone numbers, tax ids."""

from collections.abc import Callable
from typing import Any

from attrs import Factory, field, frozen

from piriod_async.testing.mock_server.tax_ids import nit, rfc, ruc, rut


@frozen(kw_only=True)
class CountryProfile:
    """How customers of one country look.

    Attributes:
        weight: Share of all customers, in percent.
        states: Id and name of each state, and a city in it.
        mobile: Format string of a mobile number; takes an integer of eight digits, gives 12 characters at most.
        tax_id: Turns a number into a tax id; distinct numbers give distinct ids.
        first_tax_id: Smallest number to turn into a tax id.
        payload: The country as the API sends it.
    """

    id: str
    name: str
    code: str
    currency: str
    weight: int
    states: tuple[tuple[int, str, str], ...] = field(repr=False)
    suffixes: tuple[str, ...]
    streets: tuple[str, ...]
    mobile: str
    tax_id: Callable[[int], str]
    first_tax_id: int
    has_regulation: bool = True

    payload: dict[str, Any] = Factory(
        lambda self: {
            "id": self.id,
            "name": self.name,
            "code": self.code,
            "has_regulation": self.has_regulation,
            "currencies": [self.currency, "USD"],
        },
        takes_self=True,
    )


CHILE = CountryProfile(
    id="CL", name="Chile", code="+56", currency="CLP", weight=70,
    states=(
        (2, "Antofagasta", "Antofagasta"),
        (4, "Coquimbo", "Vicuña"),
        (5, "Valparaíso", "Viña del Mar"),
        (8, "Biobío", "Concepción"),
        (9, "La Araucanía", "Curacautín"),
        (13, "Región Metropolitana de Santiago", "Ñuñoa"),
        (14, "Los Ríos", "Valdivia"),
        (16, "Ñuble", "Chillán"),
    ),
    suffixes=("SpA", "Ltda.", "S.A.", "EIRL"),
    streets=("Av. Libertador Bernardo O'Higgins", "Av. Irarrázaval", "Los Ñandúes", "Calle Prat", "Pasaje El Peumo"),
    mobile="+569{:08}", tax_id=rut, first_tax_id=76_000_000,
)  # fmt: skip
MEXICO = CountryProfile(
    id="MX", name="México", code="+52", currency="MXN", weight=12,
    states=(
        (109, "Ciudad de México", "Coyoacán"),
        (114, "Jalisco", "Zapopan"),
        (119, "Nuevo León", "San Nicolás de los Garza"),
        (122, "Querétaro", "Querétaro"),
    ),
    suffixes=("S.A. de C.V.", "S. de R.L. de C.V."),
    streets=("Av. Insurgentes Sur", "Calle Niños Héroes", "Paseo de la Reforma"),
    mobile="5255{:08}", tax_id=rfc, first_tax_id=40_000_000,
)  # fmt: skip
COLOMBIA = CountryProfile(
    id="CO", name="Colombia", code="+57", currency="COP", weight=10,
    states=(
        (205, "Antioquia", "Medellín"),
        (211, "Bogotá, D.C.", "Bogotá"),
        (213, "Bolívar", "Cartagena"),
        (276, "Valle del Cauca", "Cali"),
    ),
    suffixes=("S.A.S.", "Ltda.", "S.A."),
    streets=("Carrera 7", "Calle 100", "Avenida El Dorado", "Transversal de la Montaña"),
    mobile="5731{:08}", tax_id=nit, first_tax_id=900_000_000,
)  # fmt: skip
PERU = CountryProfile(
    id="PE", name="Perú", code="+51", currency="PEN", weight=8,
    states=((304, "Arequipa", "Arequipa"), (308, "Cusco", "Cusco"), (315, "Lima", "Breña"), (320, "Piura", "Piura")),
    suffixes=("S.A.C.", "S.R.L.", "E.I.R.L."),
    streets=("Av. Arequipa", "Jirón de la Unión", "Av. Brasil", "Calle Los Ñocos"),
    mobile="+519{:08}", tax_id=ruc, first_tax_id=50_000_000,
)  # fmt: skip

COUNTRIES = {country.id: country for country in (CHILE, MEXICO, COLOMBIA, PERU)}
