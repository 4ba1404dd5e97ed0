"""Load customers into a database with dlt. Needs the extra `dlt`."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Unpack

from piriod_async.errors import QueryError
from piriod_async.models import Customer
from piriod_async.query import CustomerFilters
from piriod_async.session import PiriodSession

try:
    import dlt
    from dlt.extract import DltResource
except ModuleNotFoundError as error:
    raise ModuleNotFoundError("Loading needs dlt: pip install 'piriod-async[dlt]'", name="dlt") from error

# dlt guesses the types of the other columns. These may lack values, are text or a number, or have keys without end.
_TEXT = (
    *("address", "email", "phone", "website", "zip_code", "manager", "reference", "tax_id"),
    *("country__name", "country__name_en", "country__code", "country__phone_code"),
    *("state__id", "state__name", "state__code", "state__country"),
)
_COLUMN_TYPES = {
    **dict.fromkeys(_TEXT, "text"),
    "country__tax_percent": "decimal",
    "tax_settings": "json",
    "metadata": "json",
}


def customers(
    session: PiriodSession, *, workspace: str | None = None, **filters: Unpack[CustomerFilters]
) -> DltResource:
    """Return a resource of the customers that match every filter given, for `dlt.pipeline(…).run`.

    ```python
    pipeline.run(customers(piriod), write_disposition={"disposition": "merge", "strategy": "scd2"})
    ```

    By default a load replaces the table. Every load reads the complete list, or fails and changes nothing; so a
    disposition that treats customers who are absent as gone, `replace` or `scd2`, is right even if the list changes
    meanwhile. dlt runs an event loop in a thread of its own: the session must not be in use on another one.

    Args:
        session: Reads the list. Each load opens connections and closes them.
        workspace: Workspace id, if not the session's.
        **filters: As for `PiriodSession.customers`.

    Raises:
        QueryError: A value that the API would misread, or an ordering other than by `created`.
        ConfigurationError: There is no workspace.
    """
    listing = session.customers(workspace=workspace, **filters)
    if not listing.query.orders_by_created:
        wrong = f"ordering={listing.query.ordering!r}"
        raise QueryError(f"{wrong}: expected 'created' or '-created', of which alone every load is complete")
    at_end: AsyncGenerator[None, None] | None = None

    async def pages() -> AsyncIterator[Any]:
        nonlocal at_end
        at_end = _disconnect_at_end(session)
        await anext(at_end)
        async for page in listing.pages():
            yield [_to_record(customer) for customer in page.customers]
        yield dlt.mark.materialize_table_schema()  # or dlt would leave the table as it was if the list is empty

    columns: Any = {name: {"data_type": type_} for name, type_ in _COLUMN_TYPES.items()}
    return dlt.resource(pages, name="customers", primary_key="id", write_disposition="replace", columns=columns)


def _to_record(customer: Customer) -> dict[str, Any]:
    record = customer.to_dict(decimals="keep")
    contacts = sorted(record["contacts"], key=lambda contact: contact["id"] or "")  # another order is not a change
    return record | {
        "contacts": [_without_nulls(contact) for contact in contacts],
        "sources": sorted(record["sources"]),
    }


def _without_nulls(contact: dict[str, Any]) -> dict[str, Any]:
    """Leave out fields that may lack values everywhere: dlt warns of each, in every load."""
    return {name: value for name, value in contact.items() if value is not None}


async def _disconnect_at_end(session: PiriodSession) -> AsyncGenerator[None, None]:
    """Close the connections when dlt shuts down its event loop; until then, other resources may use them."""
    try:
        yield
    finally:
        await session._transport.connections.disconnect()  # noqa: SLF001
