"""What a setting is: a typed attribute of `Config` whose values are checked wherever they come from."""

import re
from collections.abc import Callable
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, overload

from fastkiq.errors import ConfigError
from fastkiq.options import is_queue
from fastkiq.printable import shown

if TYPE_CHECKING:
    from fastkiq.config import Config

T = TypeVar("T")
Queues = list[tuple[str, int]]
MAX_WEIGHT = 1_000


class Rank(IntEnum):
    """Where a value comes from; the higher one wins, whatever came first."""

    DEFAULT = 0
    FILE = 1
    SECTION = 2
    """The section of a file that is named as the environment."""
    ENVIRONMENT = 3
    CODE = 4
    COMMAND_LINE = 5


class Setting(Generic[T]):
    """One setting. `check` turns what was given into the value or raises ValueError saying what it must be."""

    def __init__(self, default: T, check: Callable[[Any], T], doc: str, *, secret: bool = False) -> None:
        self.default = default
        self.check = check
        self.secret = secret
        self.__doc__ = doc

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, config: None, owner: type) -> "Setting[T]": ...
    @overload
    def __get__(self, config: "Config", owner: type) -> T: ...
    def __get__(self, config: "Config | None", owner: type) -> "Setting[T] | T":
        return self if config is None else config.get(self)

    def __set__(self, config: "Config", value: T) -> None:
        config.put(self.name, value, source="Config", rank=Rank.CODE)

    def read(self, value: Any, source: str) -> T:
        """The checked value. Raises ConfigError that names the source and the key, and shows no secret."""
        try:
            return self.check(value)
        except ValueError as reason:
            there = "" if self.secret else f", not {shown(value)}"
            raise ConfigError(f"{source}: {self.name} {reason}{there}") from None


def whole(low: int, high: int) -> Callable[[Any], int]:
    """A whole number within bounds."""

    def check(value: Any) -> int:
        if type(value) is not int or not low <= value <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return value

    return check


def number(low: float, high: float, unit: str = " seconds") -> Callable[[Any], float]:
    """A number within bounds, of seconds unless said otherwise."""

    def check(value: Any) -> float:
        # An int may be too large for a float: compared first, which is exact. NaN is in no range.
        if type(value) not in (int, float) or not low <= value <= high:
            raise ValueError(f"must be a number from {low:g} to {high:g}{unit}")
        return float(value)

    return check


def flag(value: Any) -> bool:
    """True or False."""
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, not {shown(value)}")
    return value


def optional(check: Callable[[Any], T]) -> Callable[[Any], T | None]:
    """None, or what `check` takes."""
    return lambda value: None if value is None else check(value)


def choice(*words: str) -> Callable[[Any], str]:
    """One of these words."""

    def check(value: Any) -> str:
        if not isinstance(value, str) or value.lower() not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return value.lower()

    return check


def text(value: Any) -> str:
    """A text that can stand in a log line."""
    if not isinstance(value, str) or not value or not value.isprintable():
        raise ValueError("must be a text without control characters")
    return value


def texts(value: Any) -> list[str]:
    """A list of texts; a single one counts as a list."""
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, (list, tuple)) or not all(isinstance(each, str) and each.isprintable() for each in value):
        raise ValueError("must be a list of texts")
    return list(value)


def queues(value: Any) -> Queues:
    """Names in order, each alone, as `"name,2"` or as a pair `["name", 2]`.

    Without any weight the order is strict (all weights 0). With some, those that have none weigh 1.
    A name said again keeps its place and takes the later weight.
    """
    if not isinstance(value, (list, tuple)) or not value:
        raise ValueError('must be a list such as ["critical", "default"] or ["critical,2", "default,1"]')
    weights = dict(_queue(each) for each in value)
    if any(weights.values()):
        weights = {name: max(weight, 1) for name, weight in weights.items()}
    return list(weights.items())


def _queue(value: Any) -> tuple[str, int]:
    name, weight = value, 0
    if isinstance(value, str) and "," in value:
        name, digits = (part.strip() for part in value.split(",", 1))
        if digits[:1].isalpha():
            apart = " ".join(f"-q {part.strip()}" for part in value.split(","))
            raise ValueError(f"have no weight in {value!r:.80}; several queues are named one by one ({apart:.80})")
        weight = int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 6 else -1
    elif isinstance(value, (list, tuple)) and len(value) == 2:
        name, weight = value
    if not is_queue(name):
        raise ValueError("must name queues with letters, digits and _ : . - only")
    if type(weight) is not int or not 0 <= weight <= MAX_WEIGHT:
        raise ValueError(f"must give each queue a weight from 0 to {MAX_WEIGHT}")
    return name, weight


def address(value: Any) -> str:
    """A port, or a host and a port, as `HOST:PORT`: on loopback when no host is given."""
    text = str(value) if type(value) is int and 0 <= value <= 65_535 else value if isinstance(value, str) else ""
    host, _, port = text.rpartition(":") if ":" in text else ("127.0.0.1", "", text)
    is_port = port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65_535
    if not is_port or not _HOST.fullmatch(host):
        raise ValueError("must be a port, HOST:PORT, or [IPv6]:PORT")
    return f"{host}:{int(port)}"


# What is no address or name after all shows when it is bound.
_HOST: Final = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]")


def redis_url(value: Any) -> str:
    """A URL that the core can read."""
    from fastkiq import _core

    if not isinstance(value, str):
        raise ValueError("must be a text")
    try:
        _core.parse_url(value)
    except ConfigError as error:
        raise ValueError(f"is unusable: {error}") from None
    return value
