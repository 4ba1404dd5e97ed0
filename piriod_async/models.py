"""Records of the API: a customer and its parts, pages of them, and the progress of a listing.

Records are frozen, slotted and hashable (mappings are left out of the hash); lists are tuples. Money is `Decimal`,
exact to the last digit of the JSON text. Datetimes are aware. A field that the API omits has the contract's default, or
else is None. Null is not a default: where the API says null (or sends empty text that is not text), the field is None;
a name is then empty text, a list or mapping empty. Fields that are not listed here can be read from `Page.raw`.

Source: `GET /customers/` (https://docs.piriod.com), and what the live API was seen to send beyond it.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

import msgspec
from attrs import field, frozen

from piriod_async.response_info import ResponseInfo

AwareDatetime = Annotated[datetime, msgspec.Meta(tz=True)]
RecordId = Annotated[str, msgspec.Meta(min_length=1)]
# decimal exponents: `1e50000000` is ten bytes of JSON, fifty million digits in CSV, and a crash in Arrow
MIN_EXPONENT, MAX_EXPONENT = -1_000, 1_000
JSON_FIELDS = ("tax_settings", "metadata")  # any JSON: numbers in them stay floats, elsewhere they are Decimals


def require_reasonable(*amounts: Decimal | None) -> None:
    """Check that amounts are finite, and of a magnitude that can be written out.

    Raises:
        ValueError: An amount is NaN or infinite, or has an exponent below `MIN_EXPONENT` or above `MAX_EXPONENT`.
    """
    for amount in amounts:
        if amount is not None and not (amount.is_finite() and MIN_EXPONENT <= amount.adjusted() <= MAX_EXPONENT):
            raise ValueError(f"{str(amount)!r} is not an amount")


class CustomerStatus(StrEnum):
    """The status of a customer. Deleting a customer that has a history archives it.

    The enum is open: a status that is newer than this library becomes a member with its own text, if it has any.
    """

    ACTIVE = "active"
    ARCHIVED = "archived"
    PENDING = "pending"

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str) or not value:
            return None
        member = str.__new__(cls, value)
        member._name_ = member._value_ = value
        return member


@frozen(kw_only=True)
class Country:
    """A country.

    Attributes:
        id: ISO 3166-1 alpha-2 code, such as `"CL"`; empty if the API omits it.
        name: Name, such as `"Chile"`; the language is the API's choice.
        name_en: Name in English.
        code: Telephone calling code, such as `"+56"`.
        phone_code: The calling code again; some responses have it in place of `code`.
        has_regulation: Whether the country has tax regulation; see `Customer.tax_id`.
        currencies: ISO 4217 codes, such as `("CLP", "CLF")`; empty if the API omits them.
        tax_percent: Tax rate in percent: `Decimal("19.0")` is 19 %.
    """

    id: str
    name: str | None = None
    name_en: str | None = None
    code: str | None = None
    phone_code: str | None = None
    has_regulation: bool | None = None
    currencies: tuple[str, ...] = ()
    tax_percent: Decimal | None = None

    def __attrs_post_init__(self) -> None:
        require_reasonable(self.tax_percent)


@frozen(kw_only=True)
class State:
    """A state, region or province of a country.

    Attributes:
        id: Id in the API: an integer, or text such as `"USAZ"`; empty if the API omits it.
        name: Name, such as `"Arizona"`.
        code: Short code, such as `"AZ"`.
        country: Id of its country, such as `"CL"`.
    """

    id: int | str
    name: str | None = None
    code: str | None = None
    country: str | None = None


@frozen(kw_only=True)
class Contact:
    """A person at a customer.

    Attributes:
        id: Id of the contact (`"con_…"`).
        customer: Id of the customer that the contact belongs to.
        orgunit: Id of an organisation unit within the customer; None if the contact is in none.
        name: Name of the person; empty if the API omits it.
        email: E-mail address.
        phone: Telephone number, as it was entered.
        invoicing: Whether the contact receives invoice e-mails; True if omitted, None if the API says null.
        collections: Whether the contact receives collection reminders (for overdue payments); True if omitted, None if
            the API says null.
        created: When the contact was created.
        updated: When the contact was last changed.
    """

    id: str | None = None
    customer: str | None = None
    orgunit: str | None = None
    name: str = ""
    email: str | None = None
    phone: str | None = None
    invoicing: bool | None = True
    collections: bool | None = True
    created: AwareDatetime | None = None
    updated: AwareDatetime | None = None


@frozen(kw_only=True)
class Aggregations:
    """Totals of a customer's documents, in the customer's currency. None means that the API gave no number.

    Attributes:
        sales: Total of the finalized and paid sales.
        sales_current_period: Total of the sales that were finalized in the current calendar month.
        balance: Amount that the customer owes: unsuccessful payments of finalized or pending invoices.
    """

    sales: Decimal | None = None
    sales_current_period: Decimal | None = None
    balance: Decimal | None = None

    def __attrs_post_init__(self) -> None:
        require_reasonable(self.sales, self.sales_current_period, self.balance)


@frozen(kw_only=True)
class Customer:
    """A customer of a workspace.

    Attributes:
        id: Id of the customer (`"cus_…"`).
        name: Name of the person or company; empty if the API omits it.
        address: Postal address.
        country: Country of the address.
        state: State or region of the address.
        currency: ISO 4217 code of the currency, such as `"CLP"`.
        email: E-mail address.
        phone: Telephone number, as it was entered.
        website: URL of the customer's website.
        zip_code: Postal code.
        manager: Name of the account manager on your side (free text).
        reference: Your own reference, such as an id in an ERP.
        tax_id: Tax identifier (RUT in Chile, RFC in Mexico, NIT in Colombia). The API requires one if the country has
            tax regulation and is also the account's country.
        tax_settings: Tax configuration. Its keys depend on the country's tax agency, such as
            `cl_activity_description`.
        metadata: Your own key-value pairs, any JSON; the filter `metadata={key: value}` searches them. Numbers are int
            or float; one too large for a float is a Decimal.
        send_invoices: Whether invoices are e-mailed to the customer; True if omitted, None if the API says null.
        send_collections: Whether collection reminders are e-mailed to the customer; True if omitted, None if the API
            says null.
        send_vouchers: Whether payment receipts are e-mailed to the customer; True if omitted, None if the API says
            null.
        status: Active, archived or pending; active if omitted, None if the API says null.
        contacts: The customer's contacts, of all organisation units.
        sources: Ids of the reusable payment sources that can be charged or are pending.
        aggregations: Sales and balance.
        test_mode: Whether this is test data; None if omitted.
        created: When the customer was created; it never changes.
        updated: When the customer was last changed.
    """

    id: RecordId
    name: str = ""
    address: str | None = None
    country: Country | None = None
    state: State | None = None
    currency: str | None = None
    email: str | None = None
    phone: str | None = None
    website: str | None = None
    zip_code: str | None = None
    manager: str | None = None
    reference: str | None = None
    tax_id: str | None = None
    tax_settings: dict[str, Any] = field(factory=dict, hash=False)
    metadata: dict[str, Any] = field(factory=dict, hash=False)
    send_invoices: bool | None = True
    send_collections: bool | None = True
    send_vouchers: bool | None = True
    status: CustomerStatus | None = CustomerStatus.ACTIVE
    contacts: tuple[Contact, ...] = ()
    sources: tuple[str, ...] = ()
    aggregations: Aggregations = Aggregations()
    test_mode: bool | None = None
    created: AwareDatetime | None = None
    updated: AwareDatetime | None = None

    def to_dict(self, *, decimals: Literal["text", "keep"] = "text") -> dict[str, Any]:
        """Return the customer as nested dicts and lists, which `from_dict` reads.

        Datetimes are ISO 8601 text; `tax_settings` and `metadata` are copied. As a field of a pydantic model, or the
        response of FastAPI, a customer is `Annotated[InstanceOf[Customer], PlainSerializer(Customer.to_dict)]`.

        Args:
            decimals: `"keep"` keeps them. `"text"` makes amounts text, such as `"1.10"`, so that everything is JSON; a
                Decimal in `metadata`, which is a number too large for a float, becomes an int.

        Raises:
            ExportError: `decimals` is something else, or `metadata` has a value that is not JSON.
        """
        from piriod_async import plain_data  # noqa: PLC0415 (it imports this module, and is not always needed)

        return plain_data.to_dict(self, decimals)

    def to_json(self) -> str:
        """Return the customer as a JSON object shaped as in the API, with exact amounts as numbers.

        It is a line of `export.write_jsonl`.

        Raises:
            ExportError: JSON cannot hold a value, such as an infinite number in `metadata`.
        """
        from piriod_async import plain_data  # noqa: PLC0415

        return plain_data.to_json(self)

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> "Customer":
        """Return the customer that `to_dict` wrote, or that the API sent. Other fields are ignored.

        Raises:
            DecodeError: A field is missing or has a value that cannot be understood; its `path` is `$.created`.
        """
        from piriod_async import plain_data  # noqa: PLC0415

        return plain_data.from_dict(data)

    @staticmethod
    def from_json(text: str | bytes) -> "Customer":
        """Return the customer that `to_json` wrote, or that the API sent. Other fields are ignored.

        Raises:
            DecodeError: The text is not JSON, or not a customer; its `path` is `$.created`.
        """
        from piriod_async import plain_data  # noqa: PLC0415

        return plain_data.from_json(text)


@frozen(kw_only=True)
class Page:
    """One response.

    Attributes:
        customers: The customers that this response adds to the listing, in order.
        count: Number of customers in the listing, as the server counted them for the first response.
        raw: Body of the response. It may repeat customers that another page delivers, and have the opposite order.
        response: Its status, headers, request id and duration; None if the page was not received.
    """

    customers: tuple[Customer, ...]
    count: int
    raw: bytes = field(repr=False)
    response: ResponseInfo | None = None


@frozen(kw_only=True)
class Progress:
    """How far an iteration is.

    Attributes:
        total: Customers to deliver, as the server counted them for the first response; None before that.
        delivered: Customers delivered so far.
        invalid: Records skipped so far, because they could not be decoded (`on_invalid="skip"`).
        requests: Requests sent, including retries.
        retries: Requests sent again after a failure.
        paused_until: When the pause that the server asked for ends, in seconds of `time.monotonic`; None if there is no
            pause.
    """

    total: int | None = None
    delivered: int = 0
    invalid: int = 0
    requests: int = 0
    retries: int = 0
    paused_until: float | None = None


@frozen(kw_only=True)
class WorkspaceProgress(Progress):
    """How far an iteration over many workspaces is: the sums over the workspaces that were started.

    Attributes:
        workspaces: The progress of each of them, by workspace id.
    """

    workspaces: dict[str, Progress] = field(factory=dict, hash=False)
