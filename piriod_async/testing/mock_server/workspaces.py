"""The workspaces of a mock server, and how many or which customers each one has."""

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from piriod_async.plain_text import shown
from piriod_async.testing.mock_server.customer_fields import CustomerFields, Record, check_record

Customers: TypeAlias = int | Sequence[Record]
"""How many customers to make up, or the customers."""

DEFAULT_WORKSPACE: Final = "acc_mock"


def check_workspaces(customers: Customers | Mapping[str, Customers]) -> dict[str, int | list[CustomerFields]]:
    """Check the customers of each workspace, and copy them.

    Args:
        customers: Those of the default workspace, or a mapping of workspace ids to them.

    Raises:
        ValueError: There is no workspace, a customer is invalid, or two have the same id.
    """
    if not isinstance(customers, Mapping):
        return {DEFAULT_WORKSPACE: _check_customers(customers, "customers", set())}
    if not customers:
        raise ValueError("customers={}: expected at least one workspace")
    ids: set[str] = set()
    return {
        _check_id(workspace): _check_customers(each, f"customers[{workspace!r}]", ids)
        for workspace, each in customers.items()
    }


def _check_id(workspace: object) -> str:
    if not isinstance(workspace, str):
        raise ValueError(f"workspace={shown(workspace)}: expected an id, such as {DEFAULT_WORKSPACE!r}")  # noqa: TRY004  as for any other value
    return workspace


def _check_customers(customers: object, path: str, ids: set[str]) -> int | list[CustomerFields]:
    """Check the customers of one workspace, and add their ids to those of the other workspaces."""
    if isinstance(customers, int) and not isinstance(customers, bool) and customers >= 0:
        return customers
    if not isinstance(customers, Sequence) or isinstance(customers, str | bytes):
        expected = "expected a number of customers, 0 or more, or a list of them"
        raise ValueError(f"{path}={shown(customers)}: {expected}")  # noqa: TRY004  as for a negative number
    checked = []
    for index, record in enumerate(customers):
        fields = check_record(record, f"{path}[{index}]")
        id_ = fields.columns.get("id")
        if id_ in ids:
            raise ValueError(f"{path}[{index}].id={shown(id_)}: expected an id that no other customer has")
        if id_ is not None:
            ids.add(id_)
        checked.append(fields)
    return checked
