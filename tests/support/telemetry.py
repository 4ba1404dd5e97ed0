"""Records spans and metrics in memory."""

import json
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from piriod_async import PiriodSession
from piriod_async.integrations.opentelemetry import instrument


class Telemetry:
    """An SDK whose exporters keep what they receive."""

    def __init__(self) -> None:
        self._exporter, self._reader = InMemorySpanExporter(), InMemoryMetricReader()
        self._tracers, self._meters = TracerProvider(), MeterProvider([self._reader])
        self._tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = self._tracers.get_tracer("the application")

    def instrument(self, session: PiriodSession) -> None:
        instrument(session, tracer_provider=self._tracers, meter_provider=self._meters)

    def clear(self) -> None:
        """Forget the spans that have ended."""
        self._exporter.clear()

    @property
    def spans(self) -> list[ReadableSpan]:
        """All spans that have ended, in the order of their start."""
        return sorted(self._exporter.get_finished_spans(), key=lambda span: span.start_time or 0)

    @property
    def listings(self) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name == "piriod.customers"]

    @property
    def attempts(self) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name == "GET /customers/"]

    def points(self, name: str) -> list[Any]:
        """Return the data points of a metric."""
        data = self._reader.get_metrics_data()
        return [
            point
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]

    def total(self, name: str) -> float:
        """Return the sum of a counter; 0 if nothing was added to it."""
        return float(sum(point.value for point in self.points(name)))

    def everything(self) -> str:
        """Return all that exporters may see, as text."""
        data = self._reader.get_metrics_data()
        texts = [*(span.to_json() for span in self.spans), data.to_json() if data else "null"]
        return "\n".join(repr(json.loads(text)) for text in texts)  # JSON escapes letters with accents


def parent_of(span: ReadableSpan) -> int | None:
    """Return the id of the span's parent."""
    return span.parent.span_id if span.parent else None


def id_of(span: Any) -> int:
    """Return the id of a span."""
    return int(span.get_span_context().span_id)
