"""A worker together with the options of its jobs: everything that can be enqueued is one of these."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypedDict, Unpack

from fastkiq import client, inline, outlets
from fastkiq.client import When, delay_of, epoch_of
from fastkiq.errors import ArgumentError, DefinitionError
from fastkiq.options import check, merge

if TYPE_CHECKING:
    from fastkiq.signature import Signature
    from fastkiq.worker import Worker

# How paths to values start in the core's words: of one job, of a row, of a payload that middleware has seen.
_PATH = re.compile(
    r"""(?:args|rows\[\d+\]|payloads\[\d+\]\["args"\]|(?P<whole>payload\["args"\]|value\["args"\]))\[(?P<argument>\d+)\]
    |(?:args|rows|payloads?|value)(?=[\[:])""",
    re.VERBOSE,
)

# What the core says of values that an annotation would convert.
_CONVERTIBLE = re.compile(r": (?:datetime|date|time|timedelta|Decimal|UUID); pass ")
_HOW = "(docs/arguments.md)"

P = ParamSpec("P")


class JobOptions(TypedDict, total=False):
    """What can be said about a job, at its class or in `set`."""

    queue: str
    """Where its jobs go; `default` unless it is said."""
    retry: bool | int
    """True: 25 times; False: dropped at the first error; 0: dead at the first error."""
    retry_for: float | timedelta
    """How long to retry, in place of how often."""
    retry_queue: str
    """Where retries go, if not to the same queue."""
    dead: bool
    """False: dropped instead of kept in the dead set."""
    backtrace: bool | int
    """Lines of traceback kept with a failed job; True: all."""
    tags: list[str] | tuple[str, ...]
    """Words that filters and pages know its jobs by."""
    log_level: str
    """debug, info, warning, error or critical: the least that is logged of its jobs."""
    result_ttl: float | timedelta | None
    """How long its result is kept (`fastkiq.result`). Not at all: None or 0, which at a class let `set` ask for it."""


class Bound(Generic[P]):
    """The enqueue calls, for one worker with one set of options. Immutable; made by `Worker.set` and kept by classes.

    `worker` and `signature` are None for a name that nobody has defined here.
    """

    __slots__ = ("keeps", "lasting", "name", "options", "signature", "worker")

    def __init__(
        self,
        name: str,
        worker: "type[Worker] | None",
        signature: "Signature | None",
        options: Mapping[str, Any],
        *,
        lasting: bool = False,
    ) -> None:
        self.name = name
        self.worker = worker
        self.signature = signature
        self.options = options
        self.keeps = bool(options.get("result_ttl"))  # a result of each job
        self.lasting = lasting  # whether it lives as long as its class, so that caching its template pays

    def set(self, **options: Unpack[JobOptions]) -> "Bound[P]":
        """The same worker with these options over its own. Raises ArgumentError."""
        checked = check(options, f"{self.name}.set", ArgumentError)
        if checked.get("result_ttl") and self.worker is not None and not self.worker.__fastkiq__.may_keep:
            raise ArgumentError(
                f"{self.name}.set: results are only looked after for workers whose class says so: give it "
                "result_ttl=0, and its jobs keep a result when a call asks for one"
            )
        return Bound(self.name, self.worker, self.signature, merge(self.options, checked))

    def perform_async(self, *args: P.args, **kwargs: P.kwargs) -> str | None:
        """Enqueues a job; answers its jid (24 hex digits), or None when client middleware stopped it.

        Raises ArgumentError when the arguments do not fit `perform` or are not plain JSON, RedisError kinds when
        Redis does not take it, PushUncertain when nobody can know.
        """
        return client.default().enqueue(self, self.arguments(args, kwargs))

    def perform_in(self, delay: float | timedelta, /, *args: P.args, **kwargs: P.kwargs) -> str | None:
        """Enqueues a job to run `delay` seconds (or timedelta) from now. Not positive means now."""
        return client.default().enqueue(self, self.arguments(args, kwargs), delay_of(delay))

    def perform_at(self, when: When, /, *args: P.args, **kwargs: P.kwargs) -> str | None:
        """Enqueues a job to run at an aware datetime or at epoch seconds. The past means now."""
        return client.default().enqueue(self, self.arguments(args, kwargs), None, epoch_of(when))

    def perform_bulk(self, rows: Iterable[Sequence[Any]], *, at: Iterable[When] | When | None = None) -> Sequence[str]:
        """Enqueues one job for each row of arguments, taken lazily from any iterable, 1,000 a round trip.

        `at` is one time for all or one for each. Answers the jids, those of stopped jobs left out. When it fails part
        of the way, the exception's `pushed`, `uncertain` and `rest` say how far it came.
        """
        return client.default().enqueue_bulk(self, rows, at)

    def perform_inline(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Runs the job here and now: client middleware, JSON and back, server middleware, `perform`, whose answer is
        returned (None when middleware stopped it). Nothing is retried.

        Of an asynchronous job inside a running event loop it raises: await `aperform_inline` there.
        """
        return inline.run(self, self.arguments(args, kwargs))

    async def aperform_async(self, *args: P.args, **kwargs: P.kwargs) -> str | None:
        """`perform_async` that does not block the event loop."""
        return await outlets.off_loop(partial(client.default().enqueue, self, self.arguments(args, kwargs)))

    async def aperform_in(self, delay: float | timedelta, /, *args: P.args, **kwargs: P.kwargs) -> str | None:
        """`perform_in` that does not block the event loop."""
        push = partial(client.default().enqueue, self, self.arguments(args, kwargs), delay_of(delay))
        return await outlets.off_loop(push)

    async def aperform_at(self, when: When, /, *args: P.args, **kwargs: P.kwargs) -> str | None:
        """`perform_at` that does not block the event loop."""
        push = partial(client.default().enqueue, self, self.arguments(args, kwargs), None, epoch_of(when))
        return await outlets.off_loop(push)

    async def aperform_bulk(
        self, rows: Iterable[Sequence[Any]], *, at: Iterable[When] | When | None = None
    ) -> Sequence[str]:
        """`perform_bulk` that does not block the event loop. The rows are taken in another thread."""
        return await outlets.off_loop(partial(client.default().enqueue_bulk, self, rows, at))

    async def aperform_inline(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        """`perform_inline` for coroutines; a job that is not asynchronous runs in a thread."""
        return await inline.arun(self, self.arguments(args, kwargs))

    def arguments(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Sequence[Any]:
        """The list of arguments that goes into the payload. Raises ArgumentError."""
        signature = self.signature
        if signature is None:
            self._refuse_abstract()
            return args
        if not kwargs and signature.low <= len(args) <= signature.high:
            return args
        return signature.take(args, kwargs)

    def rows(self, rows: Iterable[Sequence[Any]]) -> Iterator[Sequence[Any]]:
        """Checked rows of a bulk push, lazily."""
        signature = self.signature
        if signature is None:
            self._refuse_abstract()
            yield from rows
            return
        if signature.plan is not None:
            for number, row in enumerate(rows):
                yield signature.take_row(row, number)
            return
        low, high = signature.low, signature.high
        for number, row in enumerate(rows):
            kind = type(row)
            if (kind is tuple or kind is list) and low <= len(row) <= high:
                yield row
            else:
                signature.refuse_row(row, number)

    def blame(self, error: ArgumentError) -> None:
        """Puts this worker, and the parameter, before the path to a value that the core has refused."""
        message = str(error)
        found = _PATH.match(message)
        if found is None:
            return
        index = found["argument"]
        if found["whole"] is not None:  # the path of a caller who passed no payload starts at the arguments
            message = f"args[{index}]{message[found.end() :]}"
        elif message.startswith("value"):
            message = f"payload{message.removeprefix('value')}"
        where = self.name if self.signature is None else self.signature.where
        parameter = "" if self.signature is None or index is None else self.signature.parameter(int(index))
        if self.signature is not None and parameter:
            why = self.signature.why_plain(parameter)
            message += f"; {why}" if why else _how_to_convert(message)
        error.args = (f"{where}{f'({parameter})' if parameter else ''}: {message}",)

    def _refuse_abstract(self) -> None:
        if self.worker is not None:
            raise DefinitionError(f"{self.worker.__name__} defines no perform, so there is nothing to enqueue")

    def __repr__(self) -> str:
        return f"<{self.name} with {dict(self.options)!r}>"


def _how_to_convert(message: str) -> str:
    """What follows the core's words about a value that the parameter's annotation could convert."""
    if _CONVERTIBLE.search(message):
        return f", or annotate the parameter {_HOW}"
    if message.endswith("annotate the parameter with the enum"):
        return f" {_HOW}"
    if "; pass its id, " in message:
        return f"; a dataclass or Pydantic model may be passed where the parameter is annotated with it {_HOW}"
    return ""
