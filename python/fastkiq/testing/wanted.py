"""What a test asks for, and in what a job differs from it."""

import reprlib
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypedDict

from fastkiq import registry
from fastkiq.bound import Bound
from fastkiq.client import epoch_of
from fastkiq.errors import ArgumentError
from fastkiq.testing.kept import Kept
from fastkiq.testing.values import ANY, Both, differences, shown, subset
from fastkiq.worker import Worker

Target = type[Worker] | Bound[...] | str
CLOSE: Final = 1.0
"""Seconds by which a time may differ from the one that is asked for."""


class Criteria(TypedDict, total=False):
    """What a test says of a job that it looks for. Whatever is left out may be anything."""

    args: Any
    """The arguments in order, in a list or tuple, or a function that answers whether the list of them fits.

    Any value among them, however deep, may be `ANY`, a type, a function that answers whether it fits, or `subset(...)`
    of a dict; `...` at the end stands for whatever follows.
    """
    kwargs: Mapping[str, Any] | None
    """Some of the arguments by the names of their parameters; one that the push left out has its default."""
    queue: str | None
    """Where it goes."""
    at: Any
    """When it falls due, to the second: an aware datetime, epoch seconds or a timedelta from the push; a function of
    the time; None: not put off."""
    tags: Iterable[str] | None
    """At least these."""


class Wanted:
    """A worker and criteria, which jobs fit or not. Raises ArgumentError for words that make no sense."""

    def __init__(self, worker: Target | None, criteria: Criteria) -> None:
        unknown = criteria.keys() - Criteria.__annotations__.keys()
        if unknown:
            known = ", ".join(Criteria.__annotations__)
            raise ArgumentError(f"{', '.join(sorted(unknown))}: jobs are looked for by {known}")
        self.is_of = whose(worker)
        self.name = "any job" if worker is None else name(worker)
        args: Any = criteria.get("args", ANY)
        if isinstance(args, str) or not (isinstance(args, (list, tuple)) or args is ANY or callable(args)):
            args_hint = "a list or tuple of arguments, or a function of it"
            raise ArgumentError(f"args is {args_hint}, not {reprlib.repr(args)}")
        self.args = args
        self.kwargs = criteria.get("kwargs")
        self.queue = criteria.get("queue")
        at: Any = criteria.get("at", ANY)
        if not (at is ANY or at is None or isinstance(at, timedelta) or callable(at)):
            at = datetime.fromtimestamp(epoch_of(at), UTC)
        self.at = at
        tags = criteria.get("tags")
        self.tags = None if tags is None else [tags] if isinstance(tags, str) else list(tags)

    def fits(self, kept: Kept) -> bool:
        return self.is_of(kept) and not self.differences(kept)

    def differences(self, kept: Kept) -> list[str]:
        """One line each, the class aside."""
        job = kept.job
        lines: list[str] = []
        if self.args is not ANY:
            args = job.args if callable(self.args) else both(kept)
            lines += differences(self.args, args, "args", labels(kept))
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
        return self.at.isoformat() if isinstance(self.at, datetime) else shown(self.at)

    def __str__(self) -> str:
        parts = [self.name]
        if self.args is not ANY:
            parts.append(f"args={shown(self.args)}")
        if self.kwargs is not None:
            parts.append(f"kwargs={shown(dict(self.kwargs))}")
        if self.queue is not None:
            parts.append(f"queue={self.queue!r}")
        if self.at is not ANY:
            parts.append(f"at={self.shown_at()}")
        if self.tags is not None:
            parts.append(f"tags={self.tags!r}")
        return "  ".join(parts)


def name(worker: Target) -> str:
    """What a message calls it."""
    entry = entry_of(worker)
    return entry.name if entry is not None else str(worker)


def whose(worker: Target | None) -> Callable[[Kept], bool]:
    """Whether a job is this worker's: by name, alias, or the class's name alone. Raises ArgumentError for no worker."""
    if worker is None:
        return lambda kept: True
    entry = entry_of(worker)
    if entry is None:
        return lambda kept: kept.class_name == str(worker)
    known = {entry.name, *entry.aliases}
    return lambda kept: kept.class_name in known or kept.worker is entry


def entry_of(worker: Target) -> registry.Entry | None:
    """The worker; None for a name that nobody has. Raises ArgumentError for what is none."""
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


def both(kept: Kept) -> list[Any]:
    """The arguments; of those that are converted both forms."""
    entry, args = kept.worker, kept.job.args
    if entry is None or entry.signature is None or entry.signature.plan is None:
        return args
    try:
        loaded = entry.signature.load(kept.args)
    except ArgumentError:  # the job will fail with it
        return args
    return [
        json if json is value or json == value else Both(json, value) for json, value in zip(args, loaded, strict=True)
    ]


def by_name(kept: Kept) -> dict[str, Any]:
    """The arguments by the names of their parameters, with the defaults of those that were left out."""
    entry = kept.worker
    if entry is None or entry.signature is None:
        return {}
    try:
        bound = entry.signature.inspected.bind(*both(kept))
    except TypeError:  # pushed by name, before the class was known: it does not fit perform
        return {}
    bound.apply_defaults()
    return {key: list(value) if isinstance(value, tuple) else value for key, value in bound.arguments.items()}


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
    return f"{kept.class_name}  args={shown(kept.job.args)}  queue={kept.queue!r}{place}{tags}"
