"""The view behind `GET /customers/`, with its serializers, permissions, pagination and throttle."""

from datetime import UTC
from typing import ClassVar

from django.db.models import QuerySet
from django.urls import path
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework import serializers
from rest_framework.filters import OrderingFilter
from rest_framework.generics import ListAPIView
from rest_framework.pagination import PageNumberPagination
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.throttling import UserRateThrottle

from tests.contract.reference.filters import CustomerFilter
from tests.contract.reference.models import Country, Customer, Workspace


class CountrySerializer(serializers.ModelSerializer):
    class Meta:
        model = Country
        fields: ClassVar = ["id", "name", "code", "has_regulation", "currencies"]


class AggregationsSerializer(serializers.Serializer):
    sales = serializers.FloatField()
    sales_current_period = serializers.FloatField()
    balance = serializers.FloatField()


class CustomerSerializer(serializers.ModelSerializer):
    country = CountrySerializer()
    sources = serializers.SlugRelatedField(slug_field="id", many=True, read_only=True)
    aggregations = AggregationsSerializer(source="*")
    created = serializers.DateTimeField(default_timezone=UTC)
    updated = serializers.DateTimeField(default_timezone=UTC)

    class Meta:
        model = Customer
        fields: ClassVar = [
            *("id", "name", "address", "country", "state", "currency", "email", "phone", "website", "zip_code"),
            *("manager", "reference", "tax_id", "tax_settings", "metadata"),
            *("send_invoices", "send_collections", "send_vouchers", "status", "contacts", "sources", "aggregations"),
            *("test_mode", "created", "updated"),
        ]


class HasWorkspace(BasePermission):
    def has_permission(self, request: Request, _view: object) -> bool:
        workspace = request.headers.get("x-simple-workspace")
        if not workspace:
            raise serializers.ValidationError({"non_field_errors": ["x-simple-workspace header is required."]})
        return Workspace.objects.filter(pk=workspace).exists()


class CustomerPagination(PageNumberPagination):
    page_size = 20
    page_size_query_param = "page_size"
    max_page_size = 100


class CustomerThrottle(UserRateThrottle):
    THROTTLE_RATES: ClassVar[dict[str, str | None]] = {"user": None}


class CustomerList(ListAPIView):
    serializer_class = CustomerSerializer
    permission_classes: ClassVar = [IsAuthenticated, HasWorkspace]
    throttle_classes: ClassVar = [CustomerThrottle]
    pagination_class = CustomerPagination
    filter_backends: ClassVar = [DjangoFilterBackend, OrderingFilter]
    filterset_class = CustomerFilter
    ordering_fields: ClassVar = ["created", "updated", "name", "email"]
    ordering = "-created"

    def get_queryset(self) -> QuerySet[Customer]:
        headers = self.request.headers
        return (
            Customer.objects.filter(
                workspace=headers["x-simple-workspace"],
                test_mode=headers.get("x-piriod-test-mode", "").lower() == "true",
            )
            .select_related("country")
            .prefetch_related("sources")
        )


urlpatterns = [path("customers/", CustomerList.as_view())]
