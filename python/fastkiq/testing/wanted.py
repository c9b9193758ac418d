"""What a test asks for, and how a job differs from it."""

import reprlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from fastkiq import registry
from fastkiq.bound import Bound
from fastkiq.client import epoch_of
from fastkiq.errors import ArgumentError
from fastkiq.testing.kept import Kept
from fastkiq.worker import Worker

Target = type[Worker] | Bound[...] | str
CLOSE: Final = 1.0
"""Seconds by which a time may differ from the one that is asked for."""
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


class subset:
    """Fits a dict that has at least these keys, with values that fit: `subset(id=3)`, `subset({"id": 3})`."""

    def __init__(self, some: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        self.some = {**(some or {}), **more}

    def __repr__(self) -> str:
        return f"subset({self.some!r})"


class Wanted:
    """The words of one assertion."""

    def __init__(
        self,
        worker: Target | None,
        *,
        args: Any,
        kwargs: Mapping[str, Any] | None,
        queue: str | None,
        at: Any,
        tags: Iterable[str] | None,
    ) -> None:
        self.names = None if worker is None else names(worker)
        self.name = "any job" if worker is None else name(worker)
        if isinstance(args, str) or not (isinstance(args, (list, tuple)) or args is ANY or callable(args)):
            args_hint = "a list or tuple of arguments, or a function of it"
            raise ArgumentError(f"args is {args_hint}, not {reprlib.repr(args)}")
        self.args = args
        self.kwargs = kwargs
        self.queue = queue
        if not (at is ANY or at is None or isinstance(at, timedelta) or callable(at)):
            at = datetime.fromtimestamp(epoch_of(at), UTC)
        self.at = at
        self.tags = None if tags is None else [tags] if isinstance(tags, str) else list(tags)

    def is_of(self, kept: Kept) -> bool:
        """Whether the class is the wanted one."""
        return self.names is None or kept.class_name in self.names

    def fits(self, kept: Kept) -> bool:
        return self.is_of(kept) and not self.differences(kept)

    def differences(self, kept: Kept) -> list[str]:
        """One line each, the class aside."""
        job = kept.job
        lines: list[str] = []
        if self.args is not ANY:
            lines += differences(self.args, job.args, "args", labels(kept))
        if self.kwargs is not None:
            lines += differences(subset(self.kwargs), by_name(kept), "kwargs")
        if self.queue is not None and kept.queue != self.queue:
            lines.append(f"queue: {kept.queue!r}, wanted {self.queue!r}")
        if not self._in_time(kept):
            lines.append(f"at: {shown_time(kept)}, wanted {self.shown_at()}")
        if self.tags is not None and not set(self.tags) <= set(job.tags):
            lines.append(f"tags: {job.tags!r}, wanted {self.tags!r}")
        return lines

    def _in_time(self, kept: Kept) -> bool:
        if self.at is ANY:
            return True
        if self.at is None or kept.at is None:
            return self.at is None and kept.at is None
        if isinstance(self.at, timedelta):
            return abs(kept.at - kept.pushed_at - self.at.total_seconds()) <= CLOSE
        if isinstance(self.at, datetime):
            return abs(kept.at - self.at.timestamp()) <= CLOSE
        return bool(self.at(kept.job.at))

    def shown_at(self) -> str:
        if self.at is None:
            return "at once"
        if isinstance(self.at, timedelta):
            return f"{self.at} after the push"
        return self.at.isoformat() if isinstance(self.at, datetime) else _shown(self.at)

    def __str__(self) -> str:
        parts = [self.name]
        if self.args is not ANY:
            parts.append(f"args={_shown(self.args)}")
        if self.kwargs is not None:
            parts.append(f"kwargs={_shown(dict(self.kwargs))}")
        if self.queue is not None:
            parts.append(f"queue={self.queue!r}")
        if self.at is not ANY:
            parts.append(f"at={self.shown_at()}")
        if self.tags is not None:
            parts.append(f"tags={self.tags!r}")
        return "  ".join(parts)


def name(worker: Target) -> str:
    """What a message calls it."""
    entry = _entry(worker)
    return entry.name if entry is not None else str(worker)


def names(worker: Target) -> frozenset[str]:
    """All names under which its jobs may come. Raises ArgumentError for what is no worker."""
    entry = _entry(worker)
    if entry is None:
        return frozenset([str(worker)])
    return frozenset([entry.name, *entry.aliases])


def _entry(worker: Target) -> registry.Entry | None:
    if isinstance(worker, str):
        return registry.find(worker) or registry.table().get(worker, (None,))[0]
    if isinstance(worker, Bound):
        if worker.worker is None:
            return registry.find(worker.name)
        worker = worker.worker
    entry = getattr(worker, "__fastkiq__", None)
    if not isinstance(entry, registry.Entry):
        raise ArgumentError(f"a Worker, a job function or a name is wanted, not {reprlib.repr(worker)}")
    return entry


def labels(kept: Kept) -> list[str]:
    """The names of the parameters, in order."""
    entry = kept.worker
    if entry is None or entry.signature is None:
        return []
    return [entry.signature.parameter(index) for index in range(len(kept.job.args))]


def by_name(kept: Kept) -> dict[str, Any]:
    """The arguments by the names of their parameters, with the defaults of those that were left out."""
    entry = kept.worker
    if entry is None or entry.signature is None:
        return {}
    try:
        bound = entry.signature.inspected.bind(*kept.job.args)
    except TypeError:  # pushed by name, before the class was known: it does not fit perform
        return {}
    bound.apply_defaults()
    return {key: list(value) if isinstance(value, tuple) else value for key, value in bound.arguments.items()}


def differences(wanted: Any, given: Any, path: str, labels: list[str] | None = None) -> list[str]:
    """What is different, one line a value, each with its path."""
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


def _of_dicts(wanted: Mapping[str, Any], given: Any, path: str, *, whole: bool) -> list[str]:
    if not isinstance(given, dict):
        return [_line(path, wanted, given)]
    lines: list[str] = []
    for key, value in wanted.items():
        if key in given:
            lines += differences(value, given[key], f"{path}[{key!r}]")
        else:
            lines.append(f"{path}[{key!r}]: missing, wanted {_shown(value)}")
    if whole:
        lines += [f"{path}[{key!r}]: {_shown(given[key])}, not wanted" for key in given if key not in wanted]
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
            lines.append(f"{path}[{index}]: missing, wanted {_shown(value)}")
    if not is_open:
        lines += [f"{path}[{index}]: {_shown(given[index])}, not wanted" for index in range(len(firm), len(given))]
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
    return f"{path}: {_shown(given)}, wanted {_shown(wanted)}"


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


def _shown(value: Any) -> str:
    text = _short.repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def shown_time(kept: Kept) -> str:
    """When it falls due."""
    if kept.at is None:
        return "at once"
    moment = datetime.fromtimestamp(kept.at, UTC).isoformat(timespec="seconds")
    return f"{moment} ({timedelta(seconds=round(kept.at - kept.pushed_at))} after the push)"


def shown_job(kept: Kept) -> str:
    """One job in a line."""
    place = f"  at={shown_time(kept)}" if kept.at is not None else ""
    tags = f"  tags={kept.job.tags!r}" if kept.job.tags else ""
    return f"{kept.class_name}  args={_shown(kept.job.args)}  queue={kept.queue!r}{place}{tags}"
