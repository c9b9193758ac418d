"""Errors of jobs as events, each once: what the retry policy tells handlers, in the scope of the run that raised."""

from contextlib import ExitStack
from typing import Any

import sentry_sdk
from sentry_sdk.scope import use_isolation_scope, use_scope
from sentry_sdk.utils import event_from_exception

from fastkiq.contrib.sentry.facts import describe
from fastkiq.contrib.sentry.integration import FastkiqIntegration
from fastkiq.contrib.sentry.scopes import ended
from fastkiq.errors import Control, PoisonPill
from fastkiq.events import RAISED
from fastkiq.job import Job
from fastkiq.logging import STANDS_OUT


def failed(error: BaseException, context: dict[str, Any]) -> None:
    """Error handler: a run that failed, or something of fastkiq's or of the user's beside a job."""
    integration = FastkiqIntegration.active()
    if integration is None or (integration.report == "last" and context.get("context") == RAISED):
        return
    capture(error, context.get("job"), str(context.get("context", "")))


def died(job: Job, error: BaseException | None) -> None:
    """Death handler: the run was the last. That a job has killed its process is told to nobody else."""
    integration = FastkiqIntegration.active()
    if integration is None or error is None or isinstance(error, Control):
        return
    if integration.report == "last" or isinstance(error, PoisonPill):
        capture(error, job, RAISED)


def without_log(event: Any, hint: dict[str, Any]) -> Any:
    """Event processor: a line in fastkiq's log about the end of a job, or without an exception, says what handlers are
    told. That about a Django task is in Django's log."""
    record = hint.get("log_record")
    if record is None or not hasattr(record, "fastkiq"):
        return event
    return None if hasattr(record, STANDS_OUT) or (record.name == "fastkiq" and not record.exc_info) else event


def capture(error: BaseException, job: Job | None, what: str) -> None:
    """Sends an event. Where a job ran, its scopes have its breadcrumbs and its trace."""
    run = ended.get()
    with ExitStack() as stack:
        if run is not None and job is not None and run.jid == job.jid:
            stack.enter_context(use_isolation_scope(run.isolation))
            stack.enter_context(use_scope(run.current))
        else:
            scope = stack.enter_context(sentry_sdk.isolation_scope())
            if job is not None:
                describe(scope, job)
        event, hint = event_from_exception(
            error,
            client_options=sentry_sdk.get_client().options,
            mechanism={"type": "fastkiq", "handled": False, "description": what},
        )
        sentry_sdk.capture_event(event, hint=hint)
