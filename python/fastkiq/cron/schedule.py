"""The setting `schedule`: recurring jobs by name, as fastkiq.toml and the `:schedule:` of a sidekiq.yml have them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from fastkiq import _core
from fastkiq.cron.definition import Definition, is_name
from fastkiq.cron.moments import moment
from fastkiq.errors import ConfigError
from fastkiq.options import suggestion
from fastkiq.printable import shown
from fastkiq.settings import Setting
from fastkiq.spans import RUFUS, seconds


@dataclass(frozen=True, slots=True)
class Planned:
    """An entry whose queue and options may still be those of its worker."""

    name: str
    fields: Mapping[str, Any]
    """What was said, in the words of `Definition`."""

    def definition(self, options: dict[str, Any], queue: str) -> Definition:
        """With `options`, and with `queue` where none was said. Raises ValueError."""
        return Definition(**{"queue": queue, **self.fields, "name": self.name, "options": options, "source": "file"})


Schedule = dict[str, Planned]


class ScheduleSetting(Setting[Schedule]):
    """Its errors name the entry and the key."""

    def __init__(self, doc: str) -> None:
        super().__init__({}, check, doc)

    def read(self, value: Any, source: str) -> Schedule:
        """Raises ConfigError."""
        try:
            return self.check(value)
        except ValueError as reason:
            raise ConfigError(f"{source}: schedule {reason}") from None


def check(value: Any) -> Schedule:
    """Reads `{"nightly": {"cron": "0 3 * * *", "class": "jobs.CleanUp"}}`, or what it has answered before."""
    if not isinstance(value, Mapping):
        raise ValueError(f"must hold entries by name, not {shown(value)}")
    return {name: each if isinstance(each, Planned) else _planned(name, each) for name, each in value.items()}


def merged(base: Any, own: Any) -> Any:
    """The entries of an environment over those of the whole file."""
    return {**base, **own} if isinstance(base, Mapping) and isinstance(own, Mapping) else own


def _planned(name: Any, given: Any) -> Planned:
    if not is_name(name):
        raise ValueError(f"{shown(name)} can be no entry's name: 1 to 200 printable characters")
    if not isinstance(given, Mapping):
        raise ValueError(f"{name!r}: must hold cron, every, interval, at or in and a class, not {shown(given)}")
    try:
        planned = Planned(name, _fields(name, given))
        planned.definition({"retry": True}, "default")
    except ValueError as error:
        raise ValueError(f"{name!r}: {error}") from None
    return planned


def _fields(name: str, given: Mapping[Any, Any]) -> dict[str, Any]:
    # sidekiq-scheduler takes the entry's own name for that of the class.
    fields: dict[str, Any] = {"class_name": name}
    for key, value in given.items():
        if not isinstance(key, str) or key not in _READERS:
            hint = suggestion(key, list(_READERS)) if isinstance(key, str) else ""
            raise ValueError(f"unknown key {shown(key)}{hint}; there are {', '.join(_READERS)}")
        try:
            fields |= _READERS[key](value)
        except ValueError as error:
            raise ValueError(f"{key} {error}") from None
    if "at" in fields:
        try:
            fields["at"] = moment(fields["at"], fields.get("timezone", "UTC"))
        except ValueError as error:
            raise ValueError(f"at {error}") from None
    return fields


def _as(field: str) -> Callable[[Any], dict[str, Any]]:
    return lambda value: {field: value}


def _span(field: str) -> Callable[[Any], dict[str, Any]]:
    return lambda value: {field: seconds(value, RUFUS)}


def _cron(value: Any) -> dict[str, Any]:
    """An expression, behind which rufus-scheduler allows a time zone."""
    expression, _, last = value.rpartition(" ") if isinstance(value, str) else (value, "", "")
    if isinstance(value, str) and last[:1].isalpha() and len(expression.split()) >= 5 and _is_zone(last):
        return {"cron": expression.rstrip(), "timezone": last}
    return {"cron": value}


def _every(value: Any) -> dict[str, Any]:
    """A span, or sidekiq-scheduler's list of a span and `{first_in: span}`."""
    if not isinstance(value, list):
        return {"every": seconds(value, RUFUS)}
    match value:
        case [span]:
            return {"every": seconds(span, RUFUS)}
        case [span, {"first_in": first, **rest}] if not rest:
            return {"every": seconds(span, RUFUS), "first_in": seconds(first, RUFUS)}
        case _:
            raise ValueError(f"must be a span, or a list such as ['5m', {{first_in: '10s'}}], not {shown(value)}")


def _args(value: Any) -> dict[str, Any]:
    """One that is no list is the only argument."""
    return {"args": value if isinstance(value, list) else [value]}


def _is_zone(name: str) -> bool:
    try:
        _core.cron_ticks("* * * * *", name, 0.0, 0)
    except ValueError:
        return False
    return True


_READERS: Final[dict[str, Callable[[Any], dict[str, Any]]]] = {
    "cron": _cron,
    "every": _every,
    "interval": _span("interval"),
    "at": _as("at"),
    "in": _span("in_"),
    "first_in": _span("first_in"),
    "class": _as("class_name"),
    "queue": _as("queue"),
    "args": _args,
    "timezone": _as("timezone"),
    "missed": _as("missed"),
    "description": _as("description"),
    "enabled": _as("enabled"),
}
