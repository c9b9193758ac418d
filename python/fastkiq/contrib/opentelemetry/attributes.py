"""Names of the semantic conventions for messaging, as of version 1.37, and of opentelemetry-instrumentation-sidekiq."""

from typing import Final

SYSTEM: Final = "messaging.system"
OPERATION_NAME: Final = "messaging.operation.name"
OPERATION_TYPE: Final = "messaging.operation.type"
DESTINATION: Final = "messaging.destination.name"
MESSAGE_ID: Final = "messaging.message.id"
BODY_SIZE: Final = "messaging.message.body.size"
BATCH: Final = "messaging.batch.message_count"
ERROR: Final = "error.type"
JOB_CLASS: Final = "messaging.sidekiq.job_class"
ATTEMPT: Final = "fastkiq.job.attempt"
LATENCY: Final = "fastkiq.job.latency"
STEERED: Final = "fastkiq.job.steered"

SENT: Final = "messaging.client.sent.messages"
CONSUMED: Final = "messaging.client.consumed.messages"
OPERATION_DURATION: Final = "messaging.client.operation.duration"
PROCESS_DURATION: Final = "messaging.process.duration"
BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Seconds; those that the conventions advise."""


def common(operation: str, queue: str, job_class: str) -> dict[str, str | int | float]:
    """What spans and metrics of an operation have in common."""
    return {
        SYSTEM: "sidekiq",
        OPERATION_NAME: operation,
        OPERATION_TYPE: operation,
        DESTINATION: queue,
        JOB_CLASS: job_class,
    }


def error_type(error: BaseException) -> str:
    """`ValueError`, `myapp.errors.Broken`."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
