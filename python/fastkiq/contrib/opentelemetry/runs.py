"""A span and measurements of each run of a job, in the context that its payload carries."""

import sys
import time
from collections.abc import Generator
from contextlib import suppress
from typing import Any

from opentelemetry import context, propagate, trace
from opentelemetry.metrics import Meter
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, Tracer

from fastkiq.contrib.opentelemetry.attributes import (
    ATTEMPT,
    BODY_SIZE,
    BUCKETS,
    CONSUMED,
    ERROR,
    LATENCY,
    MESSAGE_ID,
    PROCESS_DURATION,
    STEERED,
    common,
    error_type,
)
from fastkiq.errors import Control, Shutdown, failure_of
from fastkiq.job import Job


class Runs:
    """Server middleware."""

    def __init__(self, tracer: Tracer, meter: Meter, *, link: bool) -> None:
        self._tracer = tracer
        self._link = link
        self._consumed = meter.create_counter(CONSUMED, "{message}", "Runs of jobs that have begun.")
        self._duration = meter.create_histogram(
            PROCESS_DURATION, "s", "Duration of runs.", explicit_bucket_boundaries_advisory=BUCKETS
        )

    def call(self, worker: Any, job: Job) -> Generator[None, Any, None]:
        """Around a run, on a thread or of a coroutine."""
        measured = common("process", job.queue, worker.__fastkiq__.name)  # payloads may make up any name of a class
        self._consumed.add(1, measured)
        began = time.perf_counter()
        span, token = self._enter(job, inline=worker._unit is None)
        try:
            yield
        except BaseException as error:
            cause = _failure(error)
            if cause is None:
                span.set_attribute(STEERED, type(error).__qualname__)
            else:
                kind = measured[ERROR] = error_type(cause)
                span.set_attribute(ERROR, kind)
                span.set_status(Status(StatusCode.ERROR, kind))
                with suppress(Exception):  # an exception may have no text to be had
                    span.record_exception(cause)
            raise
        finally:
            span.end()
            context.detach(token)
            self._duration.record(time.perf_counter() - began, measured)

    def _enter(self, job: Job, *, inline: bool) -> tuple[Span, Any]:
        # Texts only: propagators trust what they are given, and the payload may be anybody's.
        texts = {name: value for name, value in job.payload.items() if isinstance(value, str)}
        carried = propagate.extract(texts, context.get_current() if inline else context.Context())
        links = None
        if self._link:
            pushed = trace.get_current_span(carried).get_span_context()
            links = [Link(pushed)] if pushed.is_valid else None
            carried = trace.set_span_in_context(trace.INVALID_SPAN, carried)  # its baggage stays
        span = self._tracer.start_span(
            f"process {job.queue}", carried, SpanKind.CONSUMER, attributes=_attributes(job), links=links
        )
        return span, context.attach(trace.set_span_in_context(span, carried))


def _attributes(job: Job) -> dict[str, str | int | float]:
    attributes = {
        **common("process", job.queue, job.class_name),
        MESSAGE_ID: job.jid,
        BODY_SIZE: len(job.raw),
        ATTEMPT: job.attempt,
    }
    if job.enqueued_at is not None:
        attributes[LATENCY] = max(0.0, time.time() - job.enqueued_at.timestamp())
    return attributes


def _failure(error: BaseException) -> BaseException | None:
    """What has gone wrong; None when the job steers itself or a stop ends it."""
    asyncio = sys.modules.get("asyncio")
    if isinstance(error, Shutdown) or (asyncio is not None and isinstance(error, asyncio.CancelledError)):
        return None
    failure = failure_of(error)
    return None if isinstance(failure, Control) else failure
