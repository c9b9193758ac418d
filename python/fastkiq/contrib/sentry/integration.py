"""The integration: its options, and where it is hooked in."""

from typing import Any, Final, Literal

import sentry_sdk
from sentry_sdk.integrations import Integration
from sentry_sdk.scope import add_global_event_processor

from fastkiq import config as configuration
from fastkiq import outlets
from fastkiq.config import Config
from fastkiq.errors import ConfigError


class FastkiqIntegration(Integration):
    """`sentry_sdk.init(dsn=..., integrations=[FastkiqIntegration()])`, before or after the workers are defined.

    - `report`: `"every"` failure is an event (the default), or only the `"last"`, of a job that is not tried again.
    - `control`: whether `fastkiq.Retry`, `Discard`, `Kill` and `Snooze` are events, too, which a job raises on purpose.
    - `crons`: whether runs of recurring jobs check in with the monitor of that name.
    - `propagate`: whether jobs go on with the trace of who has enqueued them.

    Raises ConfigError for another `report`.
    """

    identifier = "fastkiq"
    origin: Final = "auto.queue.fastkiq"

    def __init__(
        self,
        *,
        report: Literal["every", "last"] = "every",
        control: bool = False,
        crons: bool = False,
        propagate: bool = True,
    ) -> None:
        if report not in ("every", "last"):
            raise ConfigError(f'report must be "every" or "last", not {report!r:.80}')
        self.report = report
        self.control = control
        self.crons = crons
        self.propagate = propagate

    @staticmethod
    def setup_once() -> None:
        """What `sentry_sdk.init` calls."""
        from fastkiq.contrib.sentry.failures import without_log

        FastkiqIntegration.attach(configuration.default())
        add_global_event_processor(without_log)

    @staticmethod
    def attach(config: Config) -> None:
        """For a configuration other than the default one; may be called again."""
        from fastkiq.contrib.sentry.failures import died, failed
        from fastkiq.contrib.sentry.publish import publish
        from fastkiq.contrib.sentry.runs import run

        config.server_middleware.prepend(run)
        if failed not in config.error_handlers:
            config.error_handlers.append(failed)
        if died not in config.death_handlers:
            config.death_handlers.append(died)
        outlets.add(publish, last=True)

    @staticmethod
    def active() -> "FastkiqIntegration | None":
        """The one of the client that is in force here; None when there is none."""
        found: Any = sentry_sdk.get_client().get_integration(FastkiqIntegration)
        return found if isinstance(found, FastkiqIntegration) else None
