"""The settings of fastkiq, and where each came from.

Command line > `configure()` > environment variables > the file's section for the environment > file > defaults.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import iscoroutinefunction
from itertools import count
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, TypeVar, overload

from fastkiq import capsules, carried, settings
from fastkiq.capsules import Capsule
from fastkiq.cron.schedule import ScheduleSetting
from fastkiq.errors import ConfigError
from fastkiq.events import EVENTS
from fastkiq.guard import Guard
from fastkiq.middleware import Chain
from fastkiq.options import MAX_BACKTRACE, flag_or_number, suggestion
from fastkiq.settings import Queues, Rank, Setting, choice, number, optional, whole

if TYPE_CHECKING:
    from fastkiq.job import Job

T = TypeVar("T")
Hook = Callable[[], Any]
HookT = TypeVar("HookT", bound=Hook)
ErrorHandler = Callable[[BaseException, dict[str, Any]], Any]
DeathHandler = Callable[["Job", BaseException | None], Any]

# The first variable that is set wins.
VARIABLES = {
    "redis_url": ("FASTKIQ_REDIS_URL", "REDIS_URL"),
    "environment": ("FASTKIQ_ENV", "APP_ENV", "RAILS_ENV", "RACK_ENV"),
}
_versions = count(1)  # shared, so that no two configurations are ever at the same version


class Config:
    """Typed settings, middleware, handlers and hooks. Setting an attribute checks it and raises ConfigError.

    Every setting of `configure` is an attribute.
    """

    redis_url = Setting(
        "redis://localhost:6379",
        settings.redis_url,
        "Where Redis is: redis, rediss, unix, redis+sentinel, or embedded.",
        secret=True,
    )
    queues: Setting[Queues] = Setting([("default", 0)], settings.queues, "Queues to serve, with their weights.")
    concurrency = Setting(25, whole(1, 10_000), "Most jobs that run on threads at once.")
    async_concurrency = Setting(100, whole(1, 100_000), "Most jobs that run on the event loop at once.")
    capsules: Setting[tuple[Capsule, ...]] = Setting(
        (), capsules.check, "Groups of queues with threads of their own, by name, beside the default one."
    )
    timeout = Setting(25.0, number(0, 86_400), "Seconds that running jobs get to finish when the process stops.")
    lease = Setting(30.0, number(0.5, 3_600), "Seconds without a heartbeat after which a process counts as dead.")
    fetch = Setting("reliable", choice("reliable", "basic"), "How jobs are taken from Redis.")
    tag: Setting[str | None] = Setting(None, optional(settings.text), "A word that tells this process from others.")
    labels: Setting[list[str]] = Setting([], settings.texts, "Words shown with this process.")
    environment = Setting("development", settings.text, "Names the section of the file that applies.")
    require: Setting[list[str]] = Setting([], settings.texts, "Modules, files and folders that define workers.")
    poll_interval_average: Setting[float | None] = Setting(
        None, optional(number(0.1, 3_600)), "Average seconds between polls of the sorted sets; None polls when due."
    )
    max_retries = Setting(25, whole(0, 1_000), "Retries of a job whose `retry` is True.")
    dead_max_jobs = Setting(10_000, whole(1, 100_000_000), "The dead set holds one job less than this.")
    dead_timeout_in_seconds = Setting(15_552_000.0, number(1, 1e10), "How long a dead job is kept.")
    max_payload_bytes = Setting(8_388_608, whole(1_024, 536_870_912), "The largest payload that is sent or run.")
    backtrace: Setting[bool | int] = Setting(
        False, flag_or_number(MAX_BACKTRACE), "Lines of traceback kept with a failed job."
    )
    log_format = Setting("auto", choice("auto", "pretty", "plain", "json"), "auto is pretty on a terminal, else plain.")
    log_level = Setting("info", choice("debug", "info", "warning", "error", "critical"), "The least that is logged.")
    compat: Setting[str | None] = Setting(
        None, optional(choice("sidekiq7")), "`sidekiq7`: times (float seconds) and metrics as Sidekiq 7 reads them."
    )
    health: Setting[str | None] = Setting(
        None, optional(settings.address), "Port, or HOST:PORT, of /live, /ready and /metrics; loopback without a host."
    )
    schedule = ScheduleSetting("Recurring jobs by name, each with a class and a cron, every, interval, at or in.")
    recurring = Setting(True, settings.flag, "Whether this process fires what its code and files declare as recurring.")
    outage_buffer = Setting(0, whole(0, 10_000_000), "Jobs kept in memory while Redis is away; 0 raises at once.")
    wait_replicas = Setting(0, whole(0, 100), "Replicas that must have a job before its enqueue call returns.")
    pool_size = Setting(16, whole(1, 10_000), "Most connections for enqueueing.")
    connect_timeout = Setting(3.0, number(0.01, 300), "Seconds to wait for a connection.")
    redis_timeout = Setting(5.0, number(0.01, 300), "Seconds to wait for a reply.")

    def __init__(self, **values: Any) -> None:
        """`values` are settings by name, as for `configure`. No file is read and no environment variable."""
        self._values: dict[str, tuple[Rank, str, Any]] = {}
        self._hooks: dict[str, list[Hook]] = {event: [] for event in EVENTS}
        self._guard = Guard(RLock)
        self._loaded = False
        self.sections: list[str] = []
        """The environments for which the file has a section."""
        self.notices: list[str] = []
        """What a file holds that means nothing here."""
        self.version = next(_versions)
        """Another number after each change of a setting."""
        self.client_middleware = Chain()
        """Around each push: generator functions of the worker (or its name) and the payload."""
        self.server_middleware = Chain()
        """Around each run: generator functions of the Worker instance and its Job."""
        self.error_handlers: list[ErrorHandler] = []
        """Called with the error and a dict about it for each failed attempt."""
        self.death_handlers: list[DeathHandler] = []
        """Called with the Job and its last error for each job that goes to the dead set."""
        self.update(values, source="Config")
        carried.follow(self)

    def get(self, setting: Setting[T]) -> T:
        """The value that wins."""
        held = self._values.get(setting.name)
        value: T = setting.default if held is None else held[2]
        return list(value) if isinstance(value, list) else value  # type: ignore[return-value]

    def put(self, key: str, value: Any, *, source: str, rank: Rank = Rank.CODE) -> None:
        """Checks and keeps a value, unless one of higher rank is there. `source` names it in errors."""
        checked = SETTINGS[key].read(value, source) if key in SETTINGS else _unknown(key, source)
        with self._guard.lock:
            held = self._values.get(key)
            if held is None or held[0] <= rank:
                self._values[key] = (rank, source, checked)
                self.version = next(_versions)

    def update(self, values: dict[str, Any], *, source: str, rank: Rank = Rank.CODE) -> None:
        """`put` for many: all of them, or at the first error none."""
        for key, value in values.items():
            if key not in SETTINGS:
                _unknown(key, source)
            SETTINGS[key].read(value, source)
        for key, value in values.items():
            self.put(key, value, source=source, rank=rank)

    @contextmanager
    def overridden(self, source: str, **values: Any) -> Iterator[None]:
        """Inside of the block these values win over all others, those of the command line too; for tests."""
        before = {key: self._values.get(key) for key in values}
        try:
            self.update(values, source=source, rank=Rank.COMMAND_LINE)
            yield
        finally:
            with self._guard.lock:
                for key, held in before.items():
                    self._values.pop(key, None)
                    if held is not None:
                        self._values[key] = held
                self.version = next(_versions)

    def forget(self, source: str) -> None:
        """Takes away what this source has said; what it had overruled is not there any more, either."""
        with self._guard.lock:
            self._values = {key: held for key, held in self._values.items() if held[1] != source}
            self.version = next(_versions)

    def source(self, key: str) -> str:
        """Where the value came from: a file, a variable, an option, or `default`."""
        held = self._values.get(key)
        return "default" if held is None else held[1]

    def load(self, path: str | os.PathLike[str] | None = None) -> None:
        """Reads the environment variables and one file: `path`, else fastkiq.toml or [tool.fastkiq] here, if any.

        Say the environment (`-e`) before, since it picks the section. Raises ConfigError that names file and key.
        """
        from fastkiq import configfile

        with self._guard.lock:
            for key, names in VARIABLES.items():
                for name in names:
                    if os.environ.get(name):
                        self.put(key, os.environ[name], source=name, rank=Rank.ENVIRONMENT)
                        break
            found = Path(path) if path is not None else configfile.find(Path.cwd())
            if found is not None:
                configfile.load(self, found)
            self._loaded = True  # not before: after an error nobody may go on with half of the settings

    def load_once(self) -> None:
        """`load()`, unless something has been loaded."""
        with self._guard.lock:
            if not self._loaded:
                self.load()

    @overload
    def on(self, event: str, hook: HookT) -> HookT: ...
    @overload
    def on(self, event: str) -> Callable[[HookT], HookT]: ...
    def on(self, event: str, hook: Hook | None = None) -> Any:
        """Calls `hook()` at startup, quiet, shutdown, exit, heartbeat (the first, or after an outage) or at each beat.

        Without a hook it is a decorator.
        """
        if event not in self._hooks:
            raise ConfigError(
                f"unknown event {event!r}{suggestion(event, list(EVENTS))}; there are {', '.join(EVENTS)}"
            )
        if hook is None:
            return lambda function: self.on(event, function)
        if not callable(hook):
            raise ConfigError(f"the hook of the event {event!r} must be callable, not {type(hook).__name__}")
        if iscoroutinefunction(hook):
            raise ConfigError(f"the hook of the event {event!r} cannot be async: nobody would await it")
        self._hooks[event].append(hook)
        return hook

    def hooks(self, event: str) -> list[Hook]:
        """What is registered for the event, in order."""
        return list(self._hooks[event])

    def is_embedded(self, url: str | None = None) -> bool:
        """Whether this URL (else `redis_url`) means the embedded server."""
        from fastkiq import _core

        return bool(_core.parse_url(url or self.redis_url)["scheme"] == "embedded")

    def resolved_url(self, url: str | None = None, *, watch: bool = False) -> str:
        """The URL to connect to. `embedded` starts the embedded server, or finds it running.

        With `watch` it is started again should it vanish while this process lives.
        """
        if not self.is_embedded(url):
            return url or self.redis_url
        from fastkiq import embedded

        return embedded.ensure(watch=watch)

    def safe_url(self) -> str:
        """The URL without its secrets."""
        from fastkiq import _core

        return str(_core.parse_url(self.redis_url)["safe"])

    def __repr__(self) -> str:
        shown = {key: value for key, (_, _, value) in self._values.items() if not SETTINGS[key].secret}
        if "redis_url" in self._values:
            shown["redis_url"] = self.safe_url()
        return f"Config({', '.join(f'{key}={value!r}' for key, value in shown.items())})"


SETTINGS: dict[str, Setting[Any]] = {name: value for name, value in vars(Config).items() if isinstance(value, Setting)}
_default = Config()


def _unknown(key: str, source: str) -> Any:
    raise ConfigError(f"{source}: unknown setting {key!r}{suggestion(key, SETTINGS)}")


def default() -> Config:
    """The configuration of this process."""
    return _default


def replace_default(config: Config) -> Config:
    """Makes another configuration that of this process and answers the one before; for tests."""
    global _default
    before, _default = _default, config
    return before


def configure(**values: Any) -> Config:
    """Changes settings of this process and answers its configuration. Raises ConfigError, having changed nothing.

    The next enqueue call opens new connections if needed. The settings, with their defaults:
    """
    _default.update(values, source="configure()")
    return _default


def _listed() -> str:
    """The settings as `help()` shows them."""
    return "".join(
        f"\n        {name} = {each.default!r}\n            {each.__doc__}" for name, each in SETTINGS.items()
    )


configure.__doc__ = f"{configure.__doc__}{_listed()}\n    "
