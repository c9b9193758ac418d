"""The class that users inherit from, and what its keywords mean.

A job's arguments are checked from `perform`'s own signature, at the call by `fastkiq.signature` and before that by
type checkers: the enqueue calls are descriptors that learn the signature from the class they are read from.
"""

from collections.abc import Callable, Coroutine, Iterable, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Concatenate, Literal, ParamSpec, Protocol, Unpack

from fastkiq import context, options, registry, signature
from fastkiq.bound import Bound, JobOptions
from fastkiq.client import When
from fastkiq.errors import DefinitionError, FastkiqError, Verdict
from fastkiq.job import Job

if TYPE_CHECKING:
    from logging import Logger

    from fastkiq._core import Unit

P = ParamSpec("P")


class WorkerOptions(JobOptions, total=False):
    """The class keywords of a Worker. `name`, `aliases` and those of recurring jobs are not inherited."""

    ack: Literal["end", "start"]
    """start: the job leaves Redis before it runs, so it runs at most once; Retry, Snooze and Kill only drop it."""
    name: str
    """The wire name, in place of `module.QualName`."""
    aliases: tuple[str, ...] | list[str]
    """Former wire names, under which stored jobs still come."""
    cron: str
    """Makes it a recurring job: five fields, or six that begin with seconds, or a nickname such as `@daily`."""
    every: float | timedelta
    """Makes it a recurring job: the time from one tick to the next, at least a second."""
    timezone: str
    """The IANA name of the zone in which `cron` is meant; UTC without it."""
    missed: Literal["skip", "once", "all"]
    """What becomes of ticks that no process could enqueue in time; `once`, one job for all of them, without it."""


class _Performs(Protocol[P]):
    def perform(self, *args: P.args, **kwargs: P.kwargs) -> Any: ...


class _Set(Protocol[P]):
    def __call__(self, **options: Unpack[JobOptions]) -> Bound[P]: ...


class _PerformAsync:
    """See `Bound.perform_async`."""

    def __get__(self, instance: object, owner: Callable[..., _Performs[P]]) -> Callable[P, str | None]:
        return _bound(owner).perform_async


class _PerformIn:
    """See `Bound.perform_in`."""

    def __get__(
        self, instance: object, owner: Callable[..., _Performs[P]]
    ) -> Callable[Concatenate[float | timedelta, P], str | None]:
        return _bound(owner).perform_in


class _PerformAt:
    """See `Bound.perform_at`."""

    def __get__(
        self, instance: object, owner: Callable[..., _Performs[P]]
    ) -> Callable[Concatenate[When, P], str | None]:
        return _bound(owner).perform_at


class _PerformInline:
    """See `Bound.perform_inline`."""

    def __get__(self, instance: object, owner: Callable[..., _Performs[P]]) -> Callable[P, Any]:
        return _bound(owner).perform_inline


class _APerformAsync:
    """See `Bound.aperform_async`."""

    def __get__(
        self, instance: object, owner: Callable[..., _Performs[P]]
    ) -> Callable[P, Coroutine[Any, Any, str | None]]:
        return _bound(owner).aperform_async


class _APerformIn:
    """See `Bound.aperform_in`."""

    def __get__(
        self, instance: object, owner: Callable[..., _Performs[P]]
    ) -> Callable[Concatenate[float | timedelta, P], Coroutine[Any, Any, str | None]]:
        return _bound(owner).aperform_in


class _APerformAt:
    """See `Bound.aperform_at`."""

    def __get__(
        self, instance: object, owner: Callable[..., _Performs[P]]
    ) -> Callable[Concatenate[When, P], Coroutine[Any, Any, str | None]]:
        return _bound(owner).aperform_at


class _APerformInline:
    """See `Bound.aperform_inline`."""

    def __get__(self, instance: object, owner: Callable[..., _Performs[P]]) -> Callable[P, Coroutine[Any, Any, Any]]:
        return _bound(owner).aperform_inline


class _SetOptions:
    """See `Bound.set`."""

    def __get__(self, instance: object, owner: Callable[..., _Performs[P]]) -> _Set[P]:
        return _bound(owner).set


def _bound(owner: Callable[..., _Performs[P]]) -> Bound[P]:
    bound: Bound[P] = owner.__fastkiq__.bound  # type: ignore[attr-defined]
    return bound


class Worker:
    """A kind of job: inherit from it and define `perform`, which may be a coroutine function.

        class HardWorker(fastkiq.Worker, queue="critical", retry=5):
            def perform(self, name: str, count: int = 1) -> None: ...

        HardWorker.perform_async("bob", count=5)

    The class keywords are those of `WorkerOptions`; subclasses inherit them. Each run has an instance of its own,
    made without arguments. Raises DefinitionError at the definition of a class that cannot work.
    """

    __fastkiq__: ClassVar[registry.Entry]
    _is_function: ClassVar[bool] = False
    _unit: "Unit | None" = None
    _job: Job | None = None

    perform_async = _PerformAsync()
    perform_in = _PerformIn()
    perform_at = _PerformAt()
    perform_inline = _PerformInline()
    aperform_async = _APerformAsync()
    aperform_in = _APerformIn()
    aperform_at = _APerformAt()
    aperform_inline = _APerformInline()
    set = _SetOptions()

    def __init_subclass__(cls, **keywords: Unpack[WorkerOptions]) -> None:
        super().__init_subclass__()
        entry = _define(cls, dict(keywords))
        cls.__fastkiq__ = entry
        if entry.signature is not None:
            registry.register(entry)

    @classmethod
    def perform_bulk(cls, rows: Iterable[Sequence[Any]], *, at: Iterable[When] | When | None = None) -> Sequence[str]:
        """See `Bound.perform_bulk`."""
        return cls.__fastkiq__.bound.perform_bulk(rows, at=at)

    @classmethod
    async def aperform_bulk(
        cls, rows: Iterable[Sequence[Any]], *, at: Iterable[When] | When | None = None
    ) -> Sequence[str]:
        """See `Bound.aperform_bulk`."""
        return await cls.__fastkiq__.bound.aperform_bulk(rows, at=at)

    @classmethod
    def retry_in(cls, count: int, error: BaseException, job: Job) -> float | timedelta | Verdict | None:
        """How long to wait before the next try: seconds, a timedelta, `fastkiq.DISCARD`, `fastkiq.KILL`, or None for
        the usual backoff. `count` is 0 at the first failure."""
        return None

    @classmethod
    def retries_exhausted(cls, job: Job, error: BaseException) -> Any:
        """Called when no try is left, before the job goes to the dead set; `fastkiq.DISCARD` keeps it out of there."""
        return None

    @property
    def jid(self) -> str:
        """The job's id, or an empty text outside of a run."""
        if self._unit is not None:
            return self._unit.jid
        return "" if self._job is None else self._job.jid

    @property
    def job(self) -> Job:
        """The record of the job that this instance runs. Raises FastkiqError outside of a run."""
        if self._job is None:
            if self._unit is None:
                raise FastkiqError(f"this {type(self).__name__} runs no job")
            self._job = Job.from_unit(self._unit)
        return self._job

    @property
    def tick(self) -> datetime | None:
        """The moment for which a recurring job was enqueued, in UTC; None for any other job and outside of a run."""
        return self.job.tick if self._unit is not None or self._job is not None else None

    @cached_property
    def logger(self) -> "Logger":
        """The worker's own logger, named `fastkiq.jobs.` and the wire name; the job's `log_level` applies."""
        from fastkiq.logging import job_logger  # only here: enqueueing programs need not load it

        runs = self._unit is not None or self._job is not None
        return job_logger(self.__fastkiq__.name, self.__fastkiq__.options, self.job.payload if runs else {})

    @property
    def interrupted(self) -> bool:
        """Whether the process has been asked to stop. A long job looks here, and ends or raises `fastkiq.Retry`."""
        return context.stop_asked()


def _define(cls: type[Worker], keywords: dict[str, Any]) -> registry.Entry:
    origin = f"{registry.wire_module(cls.__module__)}.{cls.__qualname__}"
    name = keywords.pop("name", origin)
    aliases = keywords.pop("aliases", ())
    ack = keywords.pop("ack", "start" if _inherited_ack(cls) else "end")
    if not isinstance(name, str):
        raise DefinitionError(f"{origin}: name must be a text, not {name!r:.80}")
    if not isinstance(aliases, (tuple, list)) or not all(isinstance(alias, str) for alias in aliases):
        raise DefinitionError(f"{origin}: aliases must be a tuple of names, not {aliases!r:.80}")
    if ack not in ("end", "start"):
        raise DefinitionError(f"{origin}: ack must be 'end' or 'start', not {ack!r:.80}")
    times = ("cron", "every", "timezone", "missed")
    recurring: dict[str, Any] = {key: keywords.pop(key) for key in times if key in keywords}
    own = options.check(keywords, origin, DefinitionError)
    merged = dict(options.DEFAULTS)
    for base in reversed(cls.__mro__[1:]):
        entry = vars(base).get("__fastkiq__")
        if entry is not None:
            merged = options.merge(merged, entry.own_options)
    merged = options.merge(merged, own)
    called = signature.read(cls)
    for hook in ("retry_in", "retries_exhausted"):
        signature.check_hook(cls, hook)
    entry = registry.Entry(cls, name, tuple(aliases), origin, merged, own, called, ack_start=ack == "start")
    entry.bound = Bound(name, cls, called, merged, lasting=True)
    if recurring:
        from fastkiq.cron.declared import of_class  # only here: most workers recur by no schedule

        entry.recurring = of_class(entry, recurring)
    return entry


def _inherited_ack(cls: type[Worker]) -> bool:
    for base in cls.__mro__[1:]:
        entry = vars(base).get("__fastkiq__")
        if entry is not None:
            return bool(entry.ack_start)
    return False


Worker.__fastkiq__ = _define(Worker, {})
