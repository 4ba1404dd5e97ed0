"""The tables: workspaces with customers, and customers with subscriptions and payment sources."""
# ruff: noqa: DJ001, DJ008  (the API prints null, and nobody prints a model)

from secrets import token_hex
from typing import ClassVar

from django.db import models
from django.utils import timezone
from rest_framework.utils.encoders import JSONEncoder


def customer_id() -> str:
    return f"cus_{token_hex(8)}"


class Workspace(models.Model):
    id = models.TextField(primary_key=True)


class Country(models.Model):
    id = models.TextField(primary_key=True)
    name = models.TextField()
    code = models.TextField()
    has_regulation = models.BooleanField(default=False)
    currencies = models.JSONField(default=list)


class Customer(models.Model):
    class Status(models.TextChoices):
        ACTIVE = "active"
        ARCHIVED = "archived"
        PENDING = "pending"

    id = models.TextField(primary_key=True, default=customer_id)
    workspace = models.ForeignKey(Workspace, models.CASCADE)
    test_mode = models.BooleanField(default=False)
    name = models.CharField(max_length=100)
    address = models.CharField(max_length=64)
    country = models.ForeignKey(Country, models.PROTECT, null=True)
    state = models.JSONField(null=True)
    currency = models.CharField(max_length=3, default="CLP")
    email = models.EmailField(null=True)
    phone = models.CharField(max_length=16, null=True)
    website = models.URLField(null=True)
    zip_code = models.CharField(max_length=16, null=True)
    manager = models.CharField(max_length=64, null=True)
    reference = models.CharField(max_length=64, null=True)
    tax_id = models.CharField(max_length=32, null=True)
    tax_settings = models.JSONField(default=dict)
    metadata = models.JSONField(default=dict)
    send_invoices = models.BooleanField(default=True)
    send_collections = models.BooleanField(default=True)
    send_vouchers = models.BooleanField(default=True)
    status = models.CharField(max_length=8, choices=Status, default=Status.ACTIVE)
    contacts = models.JSONField(default=list, encoder=JSONEncoder)  # Django's own cuts microseconds off
    sales = models.DecimalField(max_digits=15, decimal_places=2, default=0)
    sales_current_period = models.DecimalField(max_digits=15, decimal_places=2, default=0)
    balance = models.DecimalField(max_digits=15, decimal_places=2, default=0)
    created = models.DateTimeField(default=timezone.now)
    updated = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["workspace", "test_mode", "created"])]


class Linked(models.Model):
    number = models.BigAutoField(primary_key=True)
    id = models.TextField(db_index=True)

    class Meta:
        abstract = True
        ordering: ClassVar = ["number"]


class Subscription(Linked):
    customer = models.ForeignKey(Customer, models.CASCADE, related_name="subscriptions")


class Source(Linked):
    customer = models.ForeignKey(Customer, models.CASCADE, related_name="sources")
