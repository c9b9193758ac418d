"""What a recurring job is: checked once, whoever says it (a class, a file, the API), and kept in Redis as JSON."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any, Final, Literal, get_args

from fastkiq import _core
from fastkiq.options import is_queue, is_wire_name
from fastkiq.printable import is_fit, shown
from fastkiq.spans import spoken
from fastkiq.times import stamp

Missed = Literal["skip", "once", "all"]
Source = Literal["code", "file", "api"]

MAX_BYTES: Final = 65_536
"""No longer definition is kept or read: each look at what is due may have to read it."""
MAX_NAME: Final = 200
MAX_QUEUE: Final = 1_024
MAX_DESCRIPTION: Final = 1_000
LEAST: Final = 1.0
"""Seconds between two ticks, at least."""
MOST: Final = 315_360_000.0
"""Seconds between two ticks, at most: ten years."""
LATEST: Final = 1e11
"""The latest `at`, in epoch seconds."""

KEYS: Final = {
    "redis": "fastkiq:cron",
    "next": "fastkiq:cron:next",
    "paused": "fastkiq:cron:paused",
    "orphans": "fastkiq:cron:orphans",
    "history": "fastkiq:cron:history:{name}",
    "held": "fastkiq:cron:held:{name}",
    "seen": "fastkiq:cron:seen:{name}",
}
"""The Redis keys of recurring jobs; docs/internals.md says what each holds."""

_KINDS: Final = ("cron", "every", "interval", "at", "in")
_FIELDS: Final = {"queue", "args", "class", "jid", "created_at", "enqueued_at", "at", "cron"}
"""What `options` may not hold: each tick writes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """One recurring job. Raises ValueError, whose text begins with the field that is wrong.

    Exactly one of `cron` (an expression), `every` and `interval` (seconds), `at` (epoch seconds, once) and `in_`
    (seconds from its first registration, once, which makes it an `at`) says when it comes.
    """

    name: str
    """1 to 200 printable characters; what people call it."""
    class_name: str
    """The wire name of the worker."""
    args: list[Any] = field(default_factory=list)
    queue: str = "default"
    cron: str | None = None
    """Five fields, or six that begin with seconds; or a nickname such as `@daily`."""
    every: float | None = None
    """Seconds between two ticks, whose phase stays that of the first."""
    first_in: float | None = None
    """With `every`: seconds from its first registration to its first tick."""
    interval: float | None = None
    """Seconds from one enqueued job to the next."""
    at: float | None = None
    in_: float | None = None
    timezone: str = "UTC"
    """The IANA name of the zone in which `cron` is meant."""
    missed: Missed = "once"
    """What becomes of ticks that nobody enqueued in time: dropped, one job for all of them, or one for each."""
    description: str = ""
    enabled: bool = True
    source: Source = "code"
    options: dict[str, Any] = field(default_factory=lambda: {"retry": True})
    """Other options of the job in their payload form, `retry` among them."""

    def __post_init__(self) -> None:
        self._check_names()
        self._check_time()
        if self.missed not in get_args(Missed):
            raise ValueError(f'missed must be "skip", "once" or "all", not {shown(self.missed)}')
        if self.source not in get_args(Source):
            raise ValueError(f'source must be "code", "file" or "api", not {shown(self.source)}')
        if not isinstance(self.enabled, bool):
            raise ValueError(f"enabled must be true or false, not {shown(self.enabled)}")
        if not isinstance(self.args, list):
            raise ValueError(f"args must be a list, not {shown(self.args)}")
        options: Any = self.options
        if not isinstance(options, dict) or _FIELDS & options.keys() or "retry" not in options:
            raise ValueError(f"options must be those of a job in payload form, not {shown(options)}")
        raw = self.to_json()
        if len(raw) > MAX_BYTES:
            raise ValueError(f"args make it longer than {MAX_BYTES:,} bytes: pass an id or a path")
        flaw = _core.cron_flaw(raw)
        if flaw is not None:
            raise ValueError(flaw)

    def _check_names(self) -> None:
        if not is_name(self.name):
            raise ValueError(f"name must be 1 to {MAX_NAME} printable characters, not {shown(self.name)}")
        if not is_wire_name(self.class_name):
            raise ValueError(f"class must name a worker, not {shown(self.class_name)}")
        if not is_queue(self.queue) or len(self.queue) > MAX_QUEUE:
            raise ValueError(
                f"queue must be made of letters, digits and _ : . -, {MAX_QUEUE:,} at most, not {shown(self.queue)}"
            )
        if type(self.description) is not str or len(self.description) > MAX_DESCRIPTION:
            raise ValueError(f"description must be a text of at most {MAX_DESCRIPTION:,} characters")

    def _check_time(self) -> None:
        said = [kind for kind in _KINDS if getattr(self, "in_" if kind == "in" else kind) is not None]
        if said not in ([kind] for kind in _KINDS) and said != ["at", "in"]:
            listed = " and ".join(said) or "none"
            raise ValueError(f"cron, every, interval, at or in: exactly one of them says when, not {listed}")
        if self.first_in is not None and self.every is None:
            raise ValueError("first_in belongs to every")
        for kind in ("every", "interval"):
            _seconds(kind, getattr(self, kind), LEAST)
        for kind, seconds in (("in", self.in_), ("first_in", self.first_in)):
            _seconds(kind, seconds, 0)
        if self.at is not None and not (_is_number(self.at) and 0 <= self.at <= LATEST):
            raise ValueError(f"at must be epoch seconds, not {shown(self.at)}")
        if not isinstance(self.timezone, str):
            raise ValueError(f"timezone must be an IANA name such as Europe/Berlin, not {shown(self.timezone)}")
        try:
            _core.cron_ticks("* * * * *", self.timezone, 0.0, 0)
        except ValueError as error:
            raise ValueError(f"timezone: {error}") from None
        if self.cron is not None:
            self._check_expression(self.cron)

    def _check_expression(self, expression: Any) -> None:
        if not isinstance(expression, str):
            raise ValueError(f"cron must be an expression such as '0 6 * * mon-fri', not {shown(expression)}")
        try:
            comes = _core.cron_ticks(expression, self.timezone, 0.0)
        except ValueError as error:
            raise ValueError(f"cron {shown(expression)} {error}") from None
        if not comes:
            raise ValueError(f"cron {shown(expression)} never comes: no such day is in the calendar")

    def to_json(self) -> bytes:
        """As it is kept in Redis: always the same bytes for the same definition. Raises ArgumentError."""
        when = {
            "cron": self.cron,
            "every": _plain(self.every),
            "first_in": _plain(self.first_in),
            "interval": _plain(self.interval),
            "at": _plain(self.at),
            "in": _plain(self.in_),
        }
        return _core.encode(
            {
                "name": self.name,
                "class": self.class_name,
                "args": self.args,
                "queue": self.queue,
                **{kind: value for kind, value in when.items() if value is not None},
                "timezone": self.timezone,
                "missed": self.missed,
                "description": self.description,
                "enabled": self.enabled,
                "source": self.source,
                "options": self.options,
            }
        )

    @classmethod
    def from_json(cls, raw: bytes) -> "Definition":
        """What Redis holds, if a process would fire it. Fields that it does not know are passed over. Raises ValueError
        that says why not."""
        if len(raw) > MAX_BYTES:
            raise ValueError(f"it is {len(raw):,} bytes long, more than {MAX_BYTES:,}")
        flaw = _core.cron_flaw(raw)
        if flaw is not None:
            raise ValueError(flaw)
        read = _core.decode(raw)
        return cls(**{field: read[key] for key, field in _NAMES.items() if key in read})

    @classmethod
    def of_entry(cls, name: str, raw: bytes) -> "Definition":
        """As `from_json`, of what `fastkiq:cron` has by that name."""
        found = cls.from_json(raw)
        if found.name != name:
            raise ValueError(f"it is the definition of {shown(found.name, 200)}")
        return found

    def ticks(self, after: float, count: int = 1, following: float | None = None) -> list[float]:
        """The ticks to come after `after`, in epoch seconds, at most `count`; fewer when no more come.

        `following` is the one that Redis has as the next: it gives `every` its phase. Those of an `interval` are
        guesses past the first, since they count from when the job is enqueued.
        """
        if self.cron is not None:
            return [float(tick) for tick in _core.cron_ticks(self.cron, self.timezone, after, count)]
        if self.at is not None:
            return [self.at] if self.at > after else []
        step = self.every or self.interval
        if step is None or following is None:
            return []
        steps = max(0, int((after - following) // step) + 1)
        return [following + (steps + index) * step for index in range(count)]

    def first(self, now: float) -> float | None:
        """The first tick of one that begins at `now`, as `plan.rs` has it: of a span on a whole second, which reads
        better. None when none comes."""
        spans = (self.first_in, self.every, self.interval, self.in_)
        length = next((span for span in spans if span is not None), None)
        if self.at is None and length is not None:
            return float(ceil(now + length))
        return next(iter(self.ticks(now)), None)

    def payload(self, jid: str, *, tick: float, now: float, compat: str | None) -> dict[str, Any]:
        """The job of one tick, enqueued at `now`, both in epoch seconds."""
        return {
            **self.options,
            "queue": self.queue,
            "args": self.args,
            "class": self.class_name,
            "jid": jid,
            "created_at": stamp(now, compat),
            "enqueued_at": stamp(now, compat),
            "cron": {"name": self.name, "tick": round(tick * 1000)},
        }

    def describe(self) -> str:
        """When it comes, in English."""
        if self.cron is not None:
            zone = "" if self.timezone == "UTC" else f" ({self.timezone})"
            return f"{_core.cron_describe(self.cron).removesuffix('.')}{zone}"
        if self.every is not None:
            return f"Every {spoken(self.every)}"
        if self.interval is not None:
            return f"{spoken(self.interval)} after the one before was enqueued".capitalize()
        if self.at is not None:
            return f"Once, at {datetime.fromtimestamp(self.at, UTC):%Y-%m-%d %H:%M:%S} UTC"
        return f"Once, {spoken(self.in_ or 0)} after it was first seen"


_NAMES: Final = {{"class_name": "class", "in_": "in"}.get(name, name): name for name in Definition.__dataclass_fields__}
"""Of each field of the JSON, what it is called here."""


def is_name(name: object) -> bool:
    """Whether this can be the name of a recurring job."""
    return isinstance(name, str) and 1 <= len(name) <= MAX_NAME and is_fit(name)


def seconds_of(value: Any) -> Any:
    """A timedelta as seconds; anything else as it is, to be checked."""
    return value.total_seconds() if isinstance(value, timedelta) else value


def _seconds(kind: str, seconds: Any, least: float) -> None:
    if seconds is not None and not (_is_number(seconds) and least <= seconds <= MOST):
        span = f"seconds from {least:g} to {MOST:,.0f} (ten years), or a timedelta"
        raise ValueError(f"{kind} must be {span}, not {shown(seconds)}")


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _plain(number: float | None) -> float | int | None:
    """Whole numbers without a fraction: 60 and 60.0 are the same definition."""
    return int(number) if number is not None and number == int(number) else number
