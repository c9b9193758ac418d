"""Values among the arguments: what stands for many, and where one differs from what is wanted."""

import reprlib
from collections.abc import Mapping
from typing import Any, Final

_LONGEST: Final = 400  # characters of a value in a message


class _Any:
    """Equal to everything."""

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return "ANY"


ANY: Final = _Any()
"""Stands for any value where jobs are looked for."""


class subset:
    """Fits a dict that has at least these keys, with values that fit: `subset(id=3)`, `subset({"id": 3})`."""

    def __init__(self, some: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        self.some = {**(some or {}), **more}

    def __repr__(self) -> str:
        return f"subset({self.some!r})"


class Both:
    """An argument that is converted: as it travels, and as `perform` gets it."""

    def __init__(self, json: Any, value: Any) -> None:
        self.json = json
        self.value = value

    def __repr__(self) -> str:
        return shown(self.value)


def differences(wanted: Any, given: Any, path: str, labels: list[str] | None = None) -> list[str]:
    """What is different, one line a value, each with its path."""
    if isinstance(given, Both):
        return _of_both(wanted, given, path)
    if isinstance(wanted, subset):
        return _of_dicts(wanted.some, given, path, whole=False)
    if isinstance(wanted, Mapping):
        return _of_dicts(wanted, given, path, whole=True)
    if isinstance(wanted, (list, tuple)):
        return _of_lists(wanted, given, path, labels or [])
    if isinstance(wanted, type):
        fits = isinstance(given, wanted)
    elif callable(wanted):
        fits = bool(wanted(given))
    else:
        fits = bool(wanted == given) and (isinstance(wanted, bool) == isinstance(given, bool) or not _plain(wanted))
    return [] if fits else [_line(path, wanted, given)]


def _of_both(wanted: Any, given: Both, path: str) -> list[str]:
    """A test may write down either one; types and functions are for what `perform` gets."""
    if callable(wanted):
        return differences(wanted, given.value, path)
    told = differences(wanted, given.json, path)
    if not told or isinstance(wanted, (subset, str, int, float)):
        return told
    other = differences(wanted, given.value, path)
    return told if other and isinstance(wanted, (list, tuple, dict)) else other


def _of_dicts(wanted: Mapping[str, Any], given: Any, path: str, *, whole: bool) -> list[str]:
    if not isinstance(given, dict):
        return [_line(path, wanted, given)]
    lines: list[str] = []
    for key, value in wanted.items():
        if key in given:
            lines += differences(value, given[key], f"{path}[{key!r}]")
        else:
            lines.append(f"{path}[{key!r}]: missing, wanted {shown(value)}")
    if whole:
        lines += [f"{path}[{key!r}]: {shown(given[key])}, not wanted" for key in given if key not in wanted]
    return lines


def _of_lists(wanted: list[Any] | tuple[Any, ...], given: Any, path: str, labels: list[str]) -> list[str]:
    if not isinstance(given, list):
        return [_line(path, wanted, given)]
    is_open = bool(wanted) and wanted[-1] is ...
    firm = wanted[:-1] if is_open else wanted
    lines: list[str] = []
    for index, value in enumerate(firm):
        label = f" ({labels[index]})" if index < len(labels) and labels[index] else ""
        if index < len(given):
            lines += differences(value, given[index], f"{path}[{index}]{label}")
        else:
            lines.append(f"{path}[{index}]: missing, wanted {shown(value)}")
    if not is_open:
        lines += [f"{path}[{index}]: {shown(given[index])}, not wanted" for index in range(len(firm), len(given))]
    return lines


def _plain(value: object) -> bool:
    """Whether JSON tells it from a boolean, which Python does not: 1 == True."""
    return isinstance(value, (bool, int, float))


def _line(path: str, wanted: Any, given: Any) -> str:
    if isinstance(wanted, str) and isinstance(given, str) and max(len(wanted), len(given)) > 60:
        pairs = enumerate(zip(wanted, given, strict=False))
        differs = next((index for index, (one, other) in pairs if one != other), min(len(wanted), len(given)))
        start = max(0, differs - 15)
        return f"{path}: from character {start}\n  - {_part(wanted, start)}\n  + {_part(given, start)}"
    return f"{path}: {shown(given)}, wanted {shown(wanted)}"


def _part(text: str, start: int) -> str:
    end = start + 70
    return f"{'...' if start else ''}{text[start:end]!r}{'...' if end < len(text) else ''}"


class _Short(reprlib.Repr):
    """Bounded in depth, width and length; types, functions and `...` as they stand in the test."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 6
        self.maxstring = self.maxother = 80
        self.maxlist = self.maxtuple = self.maxdict = 12

    def repr_type(self, value: type, _level: int) -> str:
        return value.__name__

    def repr_function(self, value: Any, _level: int) -> str:
        return str(value.__qualname__).rpartition(".<locals>.")[2]

    def repr_ellipsis(self, _value: object, _level: int) -> str:
        return "..."


_short = _Short()


def shown(value: Any) -> str:
    text = _short.repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
