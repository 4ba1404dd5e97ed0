"""CSV: one customer per row, and one contact per row in a file of its own.

The columns and their order are fixed: `COLUMNS`, `CONTACT_COLUMNS`. UTF-8 with a header; rows end with CR LF; cells are
quoted where RFC 4180 requires it. Null is an empty cell. Booleans are `true` and `false`. Amounts have all their digits
and no exponent. Times are UTC with microseconds (`2026-01-31T03:00:00.000000Z`); a time that UTC would move out of the
calendar keeps its own offset (`9999-12-31T23:59:59.000000-03:00`). `tax_settings`, `metadata` and `sources` are JSON.
The country and the state have an id and a name column; Parquet has all their fields.

Formulas are escaped by default (OWASP: CSV injection). A spreadsheet runs text that begins with `=`, `+`, `-` or `@`,
also in full width, or with a tab or a line end, as a formula, and anyone can name a customer `=HYPERLINK(…)`. So such
text gets a leading apostrophe. So does what follows a semicolon, a tab or a line end within a text, because some
spreadsheets start a cell there; Spanish ones do at a semicolon. A phone number, such as `+56 9 8765 4321`, gets none,
unless a spreadsheet would subtract its parts (`+1-800-555-0100`).
Pass `escape_formulas=False` if the reader is not a spreadsheet.

Excel and LibreOffice guess the encoding, and may show two letters for each `ñ`. A byte order mark (`bom=True`) tells
them.
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from operator import attrgetter
from types import MappingProxyType, NoneType
from typing import Any, Final

from attrs import field, frozen

from piriod_async.datetimes import DATETIME_TYPES
from piriod_async.export.fields import select
from piriod_async.export.values import check_json_numbers, encode_json_field, value_error
from piriod_async.models import Customer

_STARTS = "=+@\uff1d\uff0b\uff0d\uff20-"  # the hyphen last, for the pattern
_FORMULA_PREFIXES = frozenset(f"{_STARTS}\t\r\n")
_FORMULA_IN_TEXT = re.compile(f'([\t\r\n;]"*)(?=[{_STARTS}])')
# digits only, or blanks between them as in no formula: +1+1 would be shown as 2, and +1-800-555-0100 as -1454
_PHONE_NUMBER = re.compile(r"\+(?=(?:[^0-9]*[0-9]){6})(?:[0-9]+|(?=.*[0-9)] +[0-9(])[0-9 ()+-]+)")
_SURROGATE = re.compile("[\ud800-\udfff]")


def _attributes(*names: str) -> dict[str, Callable[[Any], object]]:
    return {name: attrgetter(name) for name in names}


def _as_json(name: str) -> Callable[[Customer], object]:
    return lambda customer: encode_json_field(customer, name).decode()


COLUMNS: Final[Mapping[str, Callable[[Customer], object]]] = MappingProxyType(
    {
        **_attributes("id", "name", "address"),
        "country_id": lambda customer: customer.country and customer.country.id,
        "country_name": lambda customer: customer.country and customer.country.name,
        "state_id": lambda customer: customer.state and customer.state.id,
        "state_name": lambda customer: customer.state and customer.state.name,
        **_attributes("currency", "email", "phone", "website", "zip_code", "manager", "reference", "tax_id"),
        "tax_settings": _as_json("tax_settings"),
        "metadata": _as_json("metadata"),
        **_attributes("send_invoices", "send_collections", "send_vouchers", "status"),
        "sources": _as_json("sources"),
        **{name: attrgetter(f"aggregations.{name}") for name in ("sales", "sales_current_period", "balance")},
        **_attributes("test_mode", "created", "updated"),
    }
)
"""The columns of a customer, in order, and how to get the value of each."""

_CONTACT = _attributes("id", "orgunit", "name", "email", "phone", "invoicing", "collections", "created", "updated")
CONTACT_COLUMNS: Final = ("customer_id", *_CONTACT)
"""The columns of a contact, in order; `customer_id` is the `id` in the customer's row."""


def csv_row(customer: Customer, fields: Iterable[str] = tuple(COLUMNS), *, escape_formulas: bool = True) -> list[str]:
    """Return the cells of a customer's row.

    Args:
        customer: The customer.
        fields: Some of `COLUMNS`, in the desired order.
        escape_formulas: Put an apostrophe before text that a spreadsheet would run as a formula.

    Raises:
        ExportError: A value does not fit into a cell, such as the amount `1e50000000`.
    """
    names = tuple(fields)
    row = [_cell(COLUMNS[name](customer), escape_formulas) for name in names]
    check_json_numbers([customer], names)
    return row


def _cell(value: object, escape_formulas: bool) -> str:
    text = _TEXT_OF[type(value)](value)
    return _escape_formulas(text) if escape_formulas and isinstance(value, str) else text


def _column(values: Iterable[object], escape_formulas: bool) -> list[str]:
    """Return the cells of a column, as `_cell` does. Most columns have no formula, which is faster to see at once."""
    values = list(values)
    cells = [_TEXT_OF[type(value)](value) for value in values]
    if escape_formulas:
        text = "".join(cells)
        if ";" in text or not text.isprintable() or not _FORMULA_PREFIXES.isdisjoint(cell[:1] for cell in cells):
            return [_cell(value, escape_formulas) for value in values]
    return cells


def _escape_formulas(text: str) -> str:
    """Return text with an apostrophe wherever a spreadsheet might see the beginning of a formula."""
    if ";" in text or not text.isprintable():  # faster than a search
        text = _FORMULA_IN_TEXT.sub(r"\1'", text)
    return f"'{text}" if text[:1] in _FORMULA_PREFIXES and not _PHONE_NUMBER.fullmatch(text) else text


def _format_time(time: datetime) -> str:
    try:
        utc = time if time.tzinfo is UTC else time.astimezone(UTC)
        return f"{utc.isoformat('T', 'microseconds').removesuffix('+00:00')}Z"
    except OverflowError:  # the first or last day of the calendar, with an offset that leads out of it
        return time.isoformat(timespec="microseconds")


class _TextByType(dict[type, Callable[[Any], str]]):
    """How to write a value of each type; one of another type is written as its nearest base is."""

    def __missing__(self, type_: type) -> Callable[[Any], str]:
        self[type_] = next(self[base] for base in type_.__mro__ if base in self)
        return self[type_]


_BASES: Mapping[type, Callable[[Any], str]] = {
    object: str,
    NoneType: lambda _: "",
    bool: {False: "false", True: "true"}.__getitem__,
    Decimal: "{:f}".format,
    **dict.fromkeys(DATETIME_TYPES, _format_time),
}
_TEXT_OF = _TextByType(_BASES)


def _encode(names: Sequence[str], columns: Sequence[Sequence[str]], customers: Sequence[Customer]) -> bytes:
    """Return rows of CSV.

    Args:
        names: The names of the columns.
        columns: Their cells.
        customers: The customer of each row, for the error.

    Raises:
        ExportError: A cell is not valid Unicode.
    """
    text = io.StringIO()
    csv.writer(text).writerows(zip(*columns, strict=True))
    try:
        return text.getvalue().encode()
    except UnicodeEncodeError as error:
        customer, name, cell = next(
            (customer, name, cell)
            for customer, row in zip(customers, zip(*columns, strict=True), strict=True)
            for name, cell in zip(names, row, strict=True)
            if _SURROGATE.search(cell)
        )
        raise value_error(customer, name, cell, "text without half a surrogate pair") from error


def _encode_header(columns: Sequence[str], bom: bool) -> bytes:
    return f"{','.join(columns)}\r\n".encode("utf-8-sig" if bom else "utf-8")


def _select_columns(fields: Iterable[str] | None) -> Sequence[str]:
    return select(fields, COLUMNS)


@frozen
class CsvEncoder:
    """Encode customers as CSV.

    Args:
        fields: Some of `COLUMNS`, in the desired order; all if None.
        escape_formulas: Put an apostrophe before text that a spreadsheet would run as a formula.
        workspace_column: Put a `workspace` column first.
        bom: Begin with a byte order mark, by which Excel and LibreOffice know UTF-8.
    """

    fields: Sequence[str] = field(default=None, converter=_select_columns)
    escape_formulas: bool = True
    workspace_column: bool = False
    bom: bool = False

    def header(self) -> bytes:
        """Return the header row."""
        return _encode_header(self._columns, self.bom)

    def encode(self, customers: Iterable[Customer], workspace: str | None = None) -> bytes:
        """Return one row per customer; all customers must belong to the given workspace.

        Raises:
            ExportError: A value does not fit into a cell.
        """
        customers = list(customers)
        values: list[Iterable[object]] = [[workspace] * len(customers)] * self.workspace_column
        values += [map(COLUMNS[name], customers) for name in self.fields]
        columns = [_column(each, self.escape_formulas) for each in values]
        check_json_numbers(customers, self.fields)
        return _encode(self._columns, columns, customers)

    def footer(self) -> bytes:
        """Return no bytes: CSV has no footer."""
        return b""

    @property
    def _columns(self) -> Sequence[str]:
        return ["workspace"] * self.workspace_column + list(self.fields)


@frozen
class ContactsCsvEncoder:
    """Encode the contacts of customers as CSV.

    Args:
        escape_formulas: Put an apostrophe before text that a spreadsheet would run as a formula.
        workspace_column: Put a `workspace` column first.
        bom: Begin with a byte order mark, by which Excel and LibreOffice know UTF-8.
    """

    escape_formulas: bool = True
    workspace_column: bool = False
    bom: bool = False

    def header(self) -> bytes:
        """Return the header row."""
        return _encode_header(self._columns, self.bom)

    def encode(self, customers: Iterable[Customer], workspace: str | None = None) -> bytes:
        """Return one row per contact; all customers must belong to the given workspace.

        Raises:
            ExportError: A text is not valid Unicode.
        """
        rows = [(customer, contact) for customer in customers for contact in customer.contacts]
        owners = [customer for customer, _ in rows]
        values: list[Iterable[object]] = [[workspace] * len(rows)] * self.workspace_column
        values.append([customer.id for customer in owners])
        values += [[get(contact) for _, contact in rows] for get in _CONTACT.values()]
        return _encode(self._columns, [_column(each, self.escape_formulas) for each in values], owners)

    def footer(self) -> bytes:
        """Return no bytes: CSV has no footer."""
        return b""

    @property
    def _columns(self) -> Sequence[str]:
        return ["workspace"] * self.workspace_column + list(CONTACT_COLUMNS)
