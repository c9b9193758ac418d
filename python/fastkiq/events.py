"""Running what users have hung on the life of the process and on failures."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastkiq.config import Config
    from fastkiq.job import Job

EVENTS = ("startup", "quiet", "shutdown", "exit", "heartbeat", "beat")
RAISED = "Job raised exception"
"""The `context` of a report about a failed run, in Sidekiq's words."""
_REVERSED = ("quiet", "shutdown", "exit")  # what was set up last is torn down first


def fire(config: "Config", event: str) -> None:
    """Calls everything registered with `config.on(event, ...)`.

    An error in a startup hook is raised, since the process is not fit to run. All others are reported.
    """
    hooks = config.hooks(event)
    for hook in reversed(hooks) if event in _REVERSED else hooks:
        try:
            hook()
        except BaseException as error:  # SystemExit, too: a hook of the stop must not cut the stop short
            if event == "startup":
                raise
            report(config, error, {"context": f"error in a hook of the event {event!r}"})


def report(config: "Config", error: BaseException, context: dict[str, Any]) -> None:
    """Hands an error to every error handler. A handler's own error is logged and goes no further."""
    for handler in list(config.error_handlers):
        try:
            handler(error, context)
        except BaseException:  # SystemExit, too: what a job has become of is not a handler's to change
            import logging  # only here: enqueueing programs need not load it

            logging.getLogger("fastkiq").exception("error handler %r failed", handler)


def died(config: "Config", job: "Job", error: BaseException) -> None:
    """Tells every death handler that the job will not be tried again."""
    for handler in list(config.death_handlers):
        try:
            handler(job, error)
        except BaseException as own:
            report(config, own, {"context": "error in a death handler", "job": job})
