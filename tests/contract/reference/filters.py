"""The filters of the list."""

from typing import Any

from django.db.models import QuerySet, TextField
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast
from django_filters import rest_framework as filters

from tests.contract.reference.models import Country, Customer

METADATA = "metadata__"


class MetadataFilter(filters.CharFilter):
    """`metadata__<key>=value` for one key; the stored value is compared as text."""

    def filter(self, qs: QuerySet[Customer], value: str) -> QuerySet[Customer]:
        if not value:
            return qs
        stored = Cast(KeyTextTransform(self.field_name, "metadata"), TextField())
        return qs.alias(stored=stored).filter(stored=value)


class CustomerFilter(filters.FilterSet):
    country = filters.ModelChoiceFilter(queryset=Country.objects.all())
    email = filters.CharFilter(lookup_expr="iexact")
    name = filters.CharFilter(lookup_expr="icontains")
    tax_id = filters.CharFilter()
    created__gte = filters.IsoDateTimeFilter(field_name="created", lookup_expr="gte")
    created__lte = filters.IsoDateTimeFilter(field_name="created", lookup_expr="lte")
    subscriptions = filters.CharFilter(field_name="subscriptions__id", distinct=True)
    sources = filters.CharFilter(field_name="sources__id", distinct=True)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in self.data:
            key = name.removeprefix(METADATA)
            if key not in (name, ""):
                self.filters[name] = MetadataFilter(field_name=key)
