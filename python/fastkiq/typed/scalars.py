"""Values that travel as one text or number."""

import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any, Final
from uuid import UUID

from fastkiq.typed.converter import Converter, kind_of
from fastkiq.typed.misfit import Misfit, wanted

_DURATION: Final = re.compile(
    r"(?P<sign>[+-]?)P(?:(?P<weeks>\d{1,9})W)?(?:(?P<days>\d{1,10})D)?"
    r"(?:T(?:(?P<hours>\d{1,12})H)?(?:(?P<minutes>\d{1,12})M)?(?:(?P<seconds>\d{1,14})(?:[.,](?P<part>\d{1,6})\d*)?S)?)?"
)


class Scalar(Converter):
    """Values of one class, with the two ways between them and JSON."""

    def __init__(
        self,
        name: str,
        kind: type,
        write: Callable[[Any], Any],
        read: Callable[[Any], Any],
        *,
        kinds: tuple[str, ...] = ("string",),
    ) -> None:
        self._name = name
        self._kind = kind
        self._write = write
        self._read = read
        self.kinds = frozenset(kinds)

    def accepts(self, value: Any) -> bool:
        return isinstance(value, self._kind) and not (self._kind is date and isinstance(value, datetime))

    def dumped(self, value: Any) -> Any:
        return self._write(value)

    def load(self, value: Any) -> Any:
        if self.accepts(value):
            return value
        if kind_of(value) not in self.kinds:
            raise wanted(self._name, value)
        try:
            return self._read(value)
        except Misfit:
            raise
        except (ValueError, ArithmeticError):
            raise wanted(self._name, value) from None


class Members(Converter):
    """The members of an Enum: by value where all values are JSON, else by name."""

    def __init__(self, kind: type[Enum]) -> None:
        self._kind = kind
        kinds = {kind_of(member.value) for member in kind}
        self._by_value = kinds <= {"string", "number", "boolean", "null"}
        self.kinds = frozenset(each for each in kinds if each) if self._by_value and kinds else frozenset({"string"})

    def accepts(self, value: Any) -> bool:
        return isinstance(value, self._kind)

    def dumped(self, value: Any) -> Any:
        return value.value if self._by_value else value.name

    def load(self, value: Any) -> Any:
        if self.accepts(value):
            return value
        try:
            if kind_of(value) in self.kinds:
                return self._kind(value) if self._by_value else self._kind[value]
        except (ValueError, KeyError):
            pass
        raise wanted(f"a {self._kind.__qualname__}", value)


def _write_moment(value: datetime) -> str:
    if value.utcoffset() is None:
        raise Misfit(f"{value!r} has no time zone: pass an aware datetime")
    return value.isoformat()


def _read_moment(text: str) -> datetime:
    value = datetime.fromisoformat(text)
    if value.utcoffset() is None:
        raise Misfit(f"{text!r:.80} has no time zone")
    return value


def _write_time(value: time) -> str:
    if value.tzinfo is not None and value.utcoffset() is None:
        raise Misfit(f"{value!r} has a zone whose offset depends on the date")
    return value.isoformat()


def _write_duration(value: timedelta) -> str:
    whole = abs(value)
    part = f".{whole.microseconds:06}".rstrip("0") if whole.microseconds else ""
    days = f"{whole.days}D" if whole.days else ""
    return f"{'-' if value < timedelta(0) else ''}P{days}T{whole.seconds}{part}S"


def _read_duration(value: Any) -> timedelta:
    if not isinstance(value, str):
        return timedelta(seconds=value)
    found = _DURATION.fullmatch(value)
    if found is None or not value[-1].isalpha() or value[-1] in "PT":
        raise ValueError
    units = {unit: int(found[unit] or 0) for unit in ("weeks", "days", "hours", "minutes", "seconds")}
    length = timedelta(**units, microseconds=int((found["part"] or "0").ljust(6, "0")))
    return -length if found["sign"] == "-" else length


def _read_decimal(value: Any) -> Decimal:
    try:
        return Decimal(value if not isinstance(value, float) else repr(value))
    except InvalidOperation:
        raise ValueError from None


SCALARS: Final[dict[Any, Scalar]] = {
    UUID: Scalar("a UUID", UUID, str, UUID),
    Decimal: Scalar("a decimal number", Decimal, str, _read_decimal, kinds=("string", "number")),
    datetime: Scalar("a time in ISO 8601", datetime, _write_moment, _read_moment),
    date: Scalar("a date in ISO 8601", date, date.isoformat, date.fromisoformat),
    time: Scalar("a time of day in ISO 8601", time, _write_time, time.fromisoformat),
    timedelta: Scalar(
        "a duration in ISO 8601, or seconds,", timedelta, _write_duration, _read_duration, kinds=("string", "number")
    ),
}
