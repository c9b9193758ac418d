"""A span around each push, whose trace the job goes on with."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any

import sentry_sdk
from sentry_sdk.consts import OP, SPANDATA

from fastkiq.contrib.sentry.facts import streaming
from fastkiq.contrib.sentry.integration import FastkiqIntegration
from fastkiq.contrib.sentry.runs import HEADERS
from fastkiq.job import Job
from fastkiq.outlets import Payload, Push


def publish(payloads: Iterable[Payload], push: Push) -> Sequence[str]:
    """Outlet. A bulk push is one span, of the first payload's class and queue."""
    integration = FastkiqIntegration.active()
    if integration is None:
        return push(payloads)
    coming = iter(payloads)
    first = next(coming, None)
    if first is None:
        return push(())
    is_alone = isinstance(payloads, list) and len(payloads) == 1
    with _span(first, is_alone=is_alone) as span:
        headers = dict(sentry_sdk.get_current_scope().iter_trace_propagation_headers(span=span))
        jids = push(_carrying(first, coming, headers if integration.propagate else {}))
        if span is not None and not is_alone:
            span.set_data("messaging.batch.message_count", len(jids))
        return jids


def _span(payload: Payload, *, is_alone: bool) -> Any:
    """None where no transaction is under way: nothing of it would be sent."""
    if streaming() or sentry_sdk.get_current_span() is None:
        return nullcontext()
    span = sentry_sdk.start_span(op=OP.QUEUE_PUBLISH, name=Job.class_of(payload), origin=FastkiqIntegration.origin)
    span.set_data(SPANDATA.MESSAGING_SYSTEM, "sidekiq")
    span.set_data(SPANDATA.MESSAGING_DESTINATION_NAME, payload["queue"])
    if is_alone:
        span.set_data(SPANDATA.MESSAGING_MESSAGE_ID, payload["jid"])
    return span


def _carrying(first: Payload, others: Iterable[Payload], headers: dict[str, str]) -> Iterator[Payload]:
    if headers:
        first.setdefault(HEADERS, headers)
    yield first
    for payload in others:
        if headers:
            payload.setdefault(HEADERS, headers)
        yield payload
