"""A span and measurements of each push, whose context travels in the payload."""

from collections.abc import Iterable, Iterator, Sequence
from time import perf_counter

from opentelemetry import propagate
from opentelemetry.metrics import Meter
from opentelemetry.trace import SpanKind, Tracer

from fastkiq.contrib.opentelemetry.attributes import (
    BATCH,
    BUCKETS,
    ERROR,
    MESSAGE_ID,
    OPERATION_DURATION,
    SENT,
    common,
    error_type,
)
from fastkiq.job import Job
from fastkiq.outlets import Payload, Push


class Producer:
    """Its `publish` is an outlet. A bulk push is one span, of the first payload's class and queue."""

    def __init__(self, tracer: Tracer, meter: Meter) -> None:
        self._tracer = tracer
        self._sent = meter.create_counter(SENT, "{message}", "Jobs that were to be enqueued.")
        self._duration = meter.create_histogram(
            OPERATION_DURATION, "s", "Duration of pushes.", explicit_bucket_boundaries_advisory=BUCKETS
        )

    def publish(self, payloads: Iterable[Payload], push: Push) -> Sequence[str]:
        """Hands on to `push`, with the context at the top level of each payload, where Ruby has it."""
        coming = iter(payloads)
        first = next(coming, None)
        if first is None:
            return push(())
        is_alone = isinstance(payloads, list) and len(payloads) == 1
        attributes = common("send", first["queue"], Job.class_of(first))
        alone = {MESSAGE_ID: first["jid"]} if is_alone else {}
        began = perf_counter()
        passed = _Passed(first, coming)
        with self._tracer.start_as_current_span(
            f"send {first['queue']}", kind=SpanKind.PRODUCER, attributes={**attributes, **alone}
        ) as span:
            propagate.inject(passed.carrier)
            try:
                return push(passed)
            except BaseException as error:
                attributes[ERROR] = error_type(error)
                span.set_attribute(ERROR, attributes[ERROR])
                raise
            finally:
                if not is_alone:
                    span.set_attribute(BATCH, passed.count)
                self._sent.add(passed.count, attributes)
                self._duration.record(perf_counter() - began, attributes)


class _Passed:
    """The payloads as they pass by: counted, and each given the context."""

    def __init__(self, first: Payload, others: Iterator[Payload]) -> None:
        self._first = first
        self._others = others
        self.carrier: dict[str, str] = {}
        self.count = 0

    def __iter__(self) -> Iterator[Payload]:
        yield self._carrying(self._first)
        for payload in self._others:
            yield self._carrying(payload)

    def _carrying(self, payload: Payload) -> Payload:
        self.count += 1
        for name, value in self.carrier.items():
            payload.setdefault(name, value)
        return payload
