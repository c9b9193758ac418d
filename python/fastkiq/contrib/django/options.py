"""What OPTIONS of a TASKS backend may say, checked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from fastkiq.contrib.django.databases import databases
from fastkiq.contrib.django.priorities import Priorities
from fastkiq.errors import ConfigError
from fastkiq.options import KEYS, check, is_queue, suggestion

DAY: Final = timedelta(days=1)
JOB_OPTIONS: Final = tuple(key for key in KEYS if key != "queue")
"""Options of a job that a task and OPTIONS may set; the queue is the task's own matter."""
_OTHERS: Final = ("PRIORITIES", "ENQUEUE_AFTER_COMMIT")


@dataclass(frozen=True)
class Options:
    """OPTIONS of one backend."""

    job: Mapping[str, Any] = field(default_factory=dict)
    """In payload form."""
    priorities: Priorities = field(default_factory=Priorities)
    databases: tuple[str, ...] | None = None
    """Whose transactions enqueueing waits for; None: as FASTKIQ says."""

    @classmethod
    def read(cls, given: Any, where: str) -> "Options":
        """Checks them. Raises ConfigError in the name of `where`."""
        if not isinstance(given, Mapping):
            raise ConfigError(f"{where} must be a dict, not {type(given).__name__}")
        known = [*(key.upper() for key in JOB_OPTIONS), *_OTHERS]
        for key in given:
            if key not in known:
                hint = suggestion(key.upper(), known) if isinstance(key, str) else ""
                raise ConfigError(f"{where}: unknown option {key!r:.80}{hint}")
        job = {key.lower(): value for key, value in given.items() if key not in _OTHERS}
        # A task that has failed is FAILED, and is kept in the dead set: who wants retries says so.
        defaults = {} if "retry_for" in job else {"retry": 0}
        return cls(
            {**defaults, **check({"result_ttl": DAY, **job}, where, ConfigError)},
            Priorities(_names(given["PRIORITIES"], f"{where}: PRIORITIES")) if "PRIORITIES" in given else Priorities(),
            databases(given["ENQUEUE_AFTER_COMMIT"], f"{where}: ENQUEUE_AFTER_COMMIT")
            if "ENQUEUE_AFTER_COMMIT" in given
            else None,
        )


def _names(given: Any, where: str) -> list[str]:
    if not isinstance(given, (list, tuple)) or not all(isinstance(name, str) for name in given):
        raise ConfigError(f"{where} must be a list of queue names, from high to low")
    for name in given:
        if not is_queue(name.replace("{queue}", "queue")):
            raise ConfigError(f"{where}: {name!r:.80} must be made of letters, digits and _ : . - (and {{queue}})")
    if len(set(given)) != len(given):
        raise ConfigError(f"{where} names a queue twice")
    return list(given)
