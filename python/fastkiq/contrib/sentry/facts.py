"""What Sentry is told about a job."""

from typing import Any

import sentry_sdk
from sentry_sdk.scope import Scope, should_send_default_pii

from fastkiq.job import Job


def describe(scope: Scope, job: Job) -> None:
    """Tags to search by, and a context with the rest. Arguments only with `send_default_pii`."""
    scope.set_tag("class", job.class_name)
    scope.set_tag("queue", job.queue)
    scope.set_tag("jid", job.jid)
    scope.set_tag("attempt", job.attempt)
    facts: dict[str, Any] = {
        "class": job.class_name,
        "jid": job.jid,
        "queue": job.queue,
        "attempt": job.attempt,
        "args": job.args if _may_send_arguments() else "[Filtered]",
        "tags": job.tags,
        "recovered": job.recovered,
    }
    for name in ("created_at", "enqueued_at", "failed_at"):
        moment = getattr(job, name)
        if moment is not None:
            facts[name] = moment.isoformat()
    scope.set_context("fastkiq", facts)
    user = job.payload.get("sentry_user")  # sentry-sidekiq's, if the enqueuer knew one
    if isinstance(user, dict):
        scope.set_user({name: fact for name, fact in user.items() if isinstance(fact, (str, int))})


def _may_send_arguments() -> bool:
    collected = sentry_sdk.get_client().options.get("data_collection")  # in SDKs of 2026 finer than `send_default_pii`
    if isinstance(collected, dict) and collected.get("provided_by_user"):
        return bool(collected.get("queues"))
    return should_send_default_pii()


def streaming() -> bool:
    """Whether the SDK streams spans (`trace_lifecycle="stream"`), which knows no transactions."""
    options = sentry_sdk.get_client().options
    said = options.get("trace_lifecycle") or (options.get("_experiments") or {}).get("trace_lifecycle")
    return bool(said == "stream")
