"""Loads and changes customers, given as the API prints them."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone
from rest_framework.authtoken.models import Token

from tests.contract.reference.models import Country, Customer, Source, Subscription, Workspace

Payload = Mapping[str, Any]
COLUMNS = {field.name for field in Customer._meta.concrete_fields} - {"workspace", "country", "created", "updated"}
LINKS = {"sources": Source, "subscriptions": Subscription}
KNOWN = COLUMNS | LINKS.keys() | {"country", "aggregations", "created", "updated"}


def create(token: str) -> None:
    call_command("migrate", run_syncdb=True, verbosity=0)
    user, _ = User.objects.get_or_create(username="reference")
    Token.objects.get_or_create(key=token, user=user)


def columns(payload: Payload) -> dict[str, Any]:
    """Turn a record into values of the customer's columns."""
    if unknown := payload.keys() - KNOWN:
        raise TypeError(f"a customer has no {', '.join(sorted(unknown))}")
    row = {key: payload[key] for key in payload if key in COLUMNS}
    if "country" in payload:
        row["country_id"] = payload["country"] and payload["country"]["id"]
    for name in payload.keys() & {"created", "updated"}:
        value = payload[name]
        row[name] = datetime.fromisoformat(value) if isinstance(value, str) else value
    return row | payload.get("aggregations", {})


def add_countries(payloads: Iterable[Payload]) -> None:
    countries = {country["id"]: country for payload in payloads if (country := payload.get("country"))}
    Country.objects.bulk_create((Country(**country) for country in countries.values()), ignore_conflicts=True)


def link(payloads: Mapping[str, Payload]) -> None:
    for key, model in LINKS.items():
        model.objects.bulk_create(
            model(customer_id=customer, id=linked)
            for customer, payload in payloads.items()
            for linked in payload.get(key, ())
        )


@transaction.atomic
def load(payloads: Iterable[Payload], workspace: str) -> list[str]:
    """Insert customers. A payload may have `subscriptions`, which the API filters by but does not print."""
    payloads = list(payloads)
    Workspace.objects.get_or_create(pk=workspace)
    add_countries(payloads)
    customers = Customer.objects.bulk_create(
        Customer(workspace_id=workspace, **columns(payload)) for payload in payloads
    )
    ids = [customer.pk for customer in customers]
    link(dict(zip(ids, payloads, strict=True)))
    return ids


def remove(customer: str) -> None:
    deleted, _ = Customer.objects.filter(pk=customer).delete()
    if not deleted:
        raise KeyError(customer)


@transaction.atomic
def update(customer: str, fields: Payload) -> None:
    add_countries([fields])
    changed = Customer.objects.filter(pk=customer).update(**{"updated": timezone.now(), **columns(fields)})
    if not changed:
        raise KeyError(customer)
    for key in fields.keys() & LINKS.keys():
        LINKS[key].objects.filter(customer=customer).delete()
    link({customer: fields})


def clear(workspace: str) -> None:
    """Empty all tables but the user's, and leave one empty workspace."""
    for model in (Source, Subscription, Customer, Country, Workspace):
        model.objects.all().delete()
    Workspace.objects.create(pk=workspace)


def close() -> None:
    connection.close()
