"""The fields of a customer as a test gives them, checked before the server stores them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, TypeAlias

import msgspec
from attrs import field, fields_dict, frozen

from piriod_async.datetimes import DATETIME_TYPES, encode_datetime
from piriod_async.decoding.lenient import InvalidRecordError, decode_record
from piriod_async.models import Customer
from piriod_async.plain_text import shown
from piriod_async.spelling import closest

Record: TypeAlias = Mapping[str, Any] | Customer

OMITTED: Final = msgspec.UNSET
"""As the value of a field, removes the field from the response."""

BUILTIN_TYPES: Final = (Decimal, msgspec.Raw, *DATETIME_TYPES)
"""Types of values that are stored as they are."""

ENCODER: Final = msgspec.json.Encoder(decimal_format="number", enc_hook=encode_datetime)  # 3757.00 stays 3757.00

_NAMES: Final = [*fields_dict(Customer), "subscriptions"]

# to decode fields with; the time in UTC, as the server prints it, gives contacts without a time zone theirs
_REQUIRED: Final = {"id": "cus_not_given", "name": "", "created": "2000-01-01T00:00:00Z"}


class Unchecked:
    """As the value of a field, sends a value as it is: one that a client cannot decode, or not in the usual form.

    ```python
    server.add(name=Unchecked(5))
    server.update(id_, created=Unchecked("yesterday"))
    ```

    The server sorts and filters such a customer by the `created` and `updated` that it had before.

    Args:
        value: Any JSON value, or `msgspec.Raw` for text that is not JSON.
    """

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"Unchecked({self.value!r})"


@frozen
class CustomerFields:
    """Fields to store.

    Attributes:
        payload: Values that the API sends; `OMITTED` removes a field.
        columns: The `id`, `created` (UTC), `updated` (UTC) and `subscriptions` to find and sort the customer by.
    """

    payload: Mapping[str, Any] = field(factory=dict)
    columns: Mapping[str, Any] = field(factory=dict)


def check_record(record: object, path: str) -> CustomerFields:
    """Check a customer, and copy it.

    Args:
        record: A `Customer`, or a dict of fields.
        path: How an error message names it, such as `customers[3]`.

    Raises:
        ValueError: It is something else, or a field is invalid.
    """
    if isinstance(record, Customer):
        fields = _copy(record, path)
        # the server cannot sort a customer without a time; any other None is the record's own
        return check_fields({name: value for name, value in fields.items() if name not in _unset_times(record)}, path)
    if not isinstance(record, Mapping):
        raise ValueError(f"{path}={shown(record)}: expected a Customer, or a dict of its fields")  # noqa: TRY004
    return check_fields(record, path)


def check_fields(fields: Mapping[str, Any], path: str) -> CustomerFields:
    """Check fields of a customer, and copy them. A value is valid if a client can decode it.

    Args:
        fields: Any JSON values, datetimes, decimals, `OMITTED` and `Unchecked`. Unknown fields are allowed, as the API
            may send more than we know; but one whose name is like that of a field that is not there is a mistake,
            unless `Unchecked`.
        path: How an error message names the customer.

    Raises:
        ValueError: A value is invalid. The message has the path of the field, the value, and the type it should have.
            Or a name is misspelt.
    """
    payload: dict[str, Any] = {}
    checked: dict[str, Any] = {}
    for name, value in fields.items():
        if not isinstance(name, str):
            raise ValueError(f"{path}: {shown(name)} is not the name of a field: expected text")  # noqa: TRY004
        if isinstance(value, Unchecked):
            payload[name] = _copy(value.value, f"{path}.{name}")
            continue
        if name not in _NAMES and (similar := closest(name, [each for each in _NAMES if each not in fields])):
            wrong = f"{path}.{name}: customers have no such field"
            raise ValueError(f"{wrong}: expected {similar!r}; Unchecked(value) sends it nevertheless")
        if value is OMITTED:
            payload[name] = OMITTED
        else:
            payload[name] = checked[name] = _copy(value, f"{path}.{name}")
    columns: dict[str, Any] = {}
    if "subscriptions" in payload:
        columns["subscriptions"] = _check_subscriptions(payload.pop("subscriptions"), f"{path}.subscriptions")
        checked.pop("subscriptions", None)
    if checked:
        customer = _decode(_REQUIRED | checked, path)
        columns |= _times(customer, checked, path)
        payload |= {name: columns[name] for name in ("created", "updated") if name in columns}
    if "id" in checked:
        columns["id"] = checked["id"]
    return CustomerFields(payload, columns)


def _decode(record: Mapping[str, Any], path: str) -> Customer:
    try:
        return decode_record(ENCODER.encode(record), path=path)
    except InvalidRecordError as error:
        message = str(error).removesuffix(f" (customer {_REQUIRED['id']})")
        raise ValueError(f"{message}; Unchecked(value) sends a value as it is") from None


def _times(customer: Customer, checked: Mapping[str, Any], path: str) -> dict[str, datetime]:
    """Return the times among the checked fields, in UTC as the server stores and prints them."""
    times: dict[str, datetime] = {}
    for name in ("created", "updated"):
        moment: datetime | None = getattr(customer, name)
        if name in checked and moment:
            try:
                times[name] = moment.astimezone(UTC)
            except OverflowError:
                raise ValueError(f"{path}.{name}={moment}: expected a date-time of the years 1 to 9999") from None
    return times


def _unset_times(customer: Customer) -> set[str]:
    return {name for name in ("created", "updated") if getattr(customer, name) is None}


def _check_subscriptions(value: Any, path: str) -> list[str]:
    if not isinstance(value, list | tuple) or not all(isinstance(id_, str) for id_ in value):
        raise ValueError(f"{path}={shown(value)}: expected a list of ids")
    return list(value)


def _copy(value: Any, path: str) -> Any:
    """Copy a JSON value, so that later changes to either do not reach the other."""
    try:
        ENCODER.encode(value)
        return msgspec.to_builtins(value, builtin_types=BUILTIN_TYPES, enc_hook=encode_datetime)
    except (TypeError, ValueError, RuntimeError):  # RuntimeError if it contains itself
        raise ValueError(f"{path}={shown(value)}: expected a JSON value") from None
