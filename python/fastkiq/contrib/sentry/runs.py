"""A scope and a transaction around each run of a job, by the conventions of Sentry's Queues pages."""

import asyncio
import re
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, Final

import sentry_sdk
from sentry_sdk.consts import OP, SPANDATA
from sentry_sdk.crons import capture_checkin
from sentry_sdk.tracing import NoOpSpan

from fastkiq.contrib.sentry.facts import describe, streaming
from fastkiq.contrib.sentry.failures import capture
from fastkiq.contrib.sentry.integration import FastkiqIntegration
from fastkiq.contrib.sentry.scopes import Scopes, ended
from fastkiq.errors import Control, Shutdown, failure_of
from fastkiq.job import Job

HEADERS: Final = "trace_propagation_headers"
"""The key in the payload, as sentry-sidekiq has it: a trace goes on between Ruby and Python."""

_STOPS: Final = (Shutdown, asyncio.CancelledError)


def run(worker: Any, job: Job) -> Generator[None, Any, None]:
    """Server middleware."""
    integration = FastkiqIntegration.active()
    if integration is None:
        yield
        return
    with sentry_sdk.isolation_scope() as scope:
        scope.clear_breadcrumbs()
        scope.set_transaction_name(job.class_name, source="task")
        describe(scope, job)
        thrown = None
        with _checked_in(integration, job) as outcome, _span(job, inline=worker._unit is None) as span:
            try:
                yield
            except BaseException as error:
                # A copy: the end of the span takes it out of the scope.
                ended.set(Scopes(job.jid, scope, sentry_sdk.get_current_scope().fork()))
                if not isinstance(error, (Control, *_STOPS)):
                    raise
                thrown = error  # the job has not failed, so neither has the transaction
                fine = isinstance(failure_of(error), Control)
                span.set_status("ok" if fine else "cancelled" if isinstance(error, _STOPS) else "internal_error")
                outcome["status"] = "ok" if fine else "error"
        if thrown is None:
            return
        if integration.control and isinstance(failure_of(thrown), Control):
            capture(thrown, job, "the job steers itself")
        raise thrown


def _span(job: Job, *, inline: bool) -> Any:
    if streaming():
        return NoOpSpan()
    if inline:
        span = sentry_sdk.start_span(op=OP.QUEUE_PROCESS, name=job.class_name, origin=FastkiqIntegration.origin)
    else:
        headers = job.payload.get(HEADERS)
        transaction = sentry_sdk.continue_trace(
            _texts(headers) if isinstance(headers, dict) else {},
            op=OP.QUEUE_PROCESS,
            name=job.class_name,
            source="task",
            origin=FastkiqIntegration.origin,
        )
        span = sentry_sdk.start_transaction(transaction, custom_sampling_context={"fastkiq_job": job})
    span.set_data(SPANDATA.MESSAGING_SYSTEM, "sidekiq")
    span.set_data(SPANDATA.MESSAGING_MESSAGE_ID, job.jid)
    span.set_data(SPANDATA.MESSAGING_DESTINATION_NAME, job.queue)
    span.set_data(SPANDATA.MESSAGING_MESSAGE_RETRY_COUNT, job.attempt - 1)
    span.set_data("messaging.message.body.size", len(job.raw))
    if job.enqueued_at is not None:
        waited = (time.time() - job.enqueued_at.timestamp()) * 1_000
        span.set_data(SPANDATA.MESSAGING_MESSAGE_RECEIVE_LATENCY, max(0.0, waited))  # milliseconds
    return span


def _texts(headers: dict[Any, Any]) -> dict[str, str]:
    return {name: text for name, text in headers.items() if isinstance(name, str) and isinstance(text, str)}


@contextmanager
def _checked_in(integration: FastkiqIntegration, job: Job) -> Iterator[dict[str, str]]:
    """Tells the monitor of a recurring job how the run went."""
    outcome = {"status": "ok"}
    cron = job.payload.get("cron")
    name = cron.get("name") if isinstance(cron, dict) else None
    if not integration.crons or not isinstance(name, str):
        yield outcome
        return
    slug = re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-")[:50]
    check_in = capture_checkin(slug, status="in_progress")
    began = time.monotonic()
    try:
        yield outcome
    except BaseException:
        outcome["status"] = "error"
        raise
    finally:
        capture_checkin(slug, check_in, outcome["status"], time.monotonic() - began)
