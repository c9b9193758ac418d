"""The setting FASTKIQ: fastkiq's own settings by name, and these:

- `enqueue_after_commit`: True, or the aliases of databases whose transactions every push waits for. False by default.
- `autodiscover`: names of modules that are looked for in each app; `("tasks", "workers")` by default.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from fastkiq import config as configuration
from fastkiq.config import SETTINGS, Config
from fastkiq.contrib.django import commit
from fastkiq.contrib.django.databases import databases
from fastkiq.errors import ConfigError
from fastkiq.options import suggestion

SOURCE: Final = "FASTKIQ"
OWN: Final = ("enqueue_after_commit", "autodiscover")
MODULES: Final = ("tasks", "workers")


@dataclass(frozen=True)
class Settings:
    """FASTKIQ, checked."""

    fastkiq: Mapping[str, Any]
    databases: tuple[str, ...] = ()
    modules: tuple[str, ...] = MODULES


problem: ConfigError | None = None
"""What is wrong with FASTKIQ. `manage.py check` says it; until it is mended nothing is enqueued and nothing runs."""


def read() -> Settings:
    """Raises ConfigError that names the key."""
    given = getattr(settings, "FASTKIQ", {})
    if not isinstance(given, Mapping):
        raise ConfigError(f"FASTKIQ must be a dict, not {type(given).__name__}")
    for key, value in given.items():
        if key in SETTINGS:
            SETTINGS[key].read(value, SOURCE)
        elif key not in OWN:
            hint = suggestion(key.lower(), [*SETTINGS, *OWN]) if isinstance(key, str) else ""
            raise ConfigError(f"FASTKIQ: unknown setting {key!r:.80}{hint}")
    return Settings(
        {key: value for key, value in given.items() if key not in OWN},
        databases(given.get("enqueue_after_commit", False), "FASTKIQ: enqueue_after_commit"),
        _modules(given.get("autodiscover", MODULES)),
    )


def apply(config: Config) -> None:
    """Makes FASTKIQ what this process goes by; what is wrong with it is kept as the `problem`."""
    global problem
    try:
        found = read()
        config.update(dict(found.fastkiq), source=SOURCE)
        commit.install(found.databases)
    except ConfigError as error:
        problem = error
        config.client_middleware.prepend(_refuse)
    else:
        problem = None
        config.client_middleware.remove(_refuse)


def reapply(*, setting: str, **_: Any) -> None:
    """For `override_settings` in tests: what is said no longer holds no longer."""
    if setting == "FASTKIQ":
        configuration.default().forget(SOURCE)
        apply(configuration.default())


def _refuse(worker: Any, payload: dict[str, Any]) -> Iterator[None]:
    if problem is not None:
        raise ImproperlyConfigured(str(problem))
    yield


def _modules(given: Any) -> tuple[str, ...]:
    names = () if given is False else MODULES if given is True else given
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) and name.isidentifier() for name in names):
        raise ConfigError(f"FASTKIQ: autodiscover must be a list of modules' names, not {given!r:.80}")
    return tuple(names)
