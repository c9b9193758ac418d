"""The way of a job from a call to Redis: options, client middleware, encoding, one round trip."""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from fastkiq import _core, options, outlets, registry
from fastkiq import config as configuration
from fastkiq.config import Config
from fastkiq.errors import ArgumentError, RedisConnectionError, RedisError
from fastkiq.guard import Guard
from fastkiq.printable import shown
from fastkiq.times import stamp

if TYPE_CHECKING:
    from fastkiq.bound import Bound
    from fastkiq.results import Result
    from fastkiq.worker import Worker

T = TypeVar("T")
MAX_EPOCH = 1e11  # seconds, the year 5138: beyond it somebody has passed milliseconds
When = datetime | float


class Client:
    """Enqueues to one Redis. Safe for threads and forks; connects at the first use.

    `redis_url` may differ from the configuration's; all else (middleware, timeouts, limits) comes from there.
    """

    def __init__(self, redis_url: str | None = None, *, config: Config | None = None) -> None:
        if config is None:
            config = configuration.default()
            config.load_once()  # environment variables and file count here as they do for `perform_async`
        self.config = config
        self._url = redis_url
        if redis_url is not None:
            Config.redis_url.read(redis_url, "Client")
        self._middleware = self.config.client_middleware
        self._core: _core.Client | None = None
        self._guard = Guard()
        self._templates: dict[Bound[...], _core.Template] = {}

    @property
    def core(self) -> _core.Client:
        """The connections, opened lazily by the core."""
        return self._core or self._open()

    def push(
        self,
        worker: "type[Worker] | str",
        /,
        *args: Any,
        in_: float | timedelta | None = None,
        at: When | None = None,
        **options: Any,
    ) -> str | None:
        """Enqueues one job and answers its jid, or None when middleware stopped it.

        `worker` is a Worker or a name; for a name that nobody has defined here (a Ruby class, say) the arguments are
        not checked against a signature. `in_` (seconds or timedelta) or `at` (aware datetime or epoch seconds) puts
        it off; the other options are those of a Worker: `queue`, `retry` and so on.
        """
        if in_ is not None and at is not None:
            raise ArgumentError("in_ and at exclude each other")
        target = self.target(worker, options)
        delay = None if in_ is None else delay_of(in_)
        return self.enqueue(target, target.arguments(args, {}), delay, None if at is None else epoch_of(at))

    def push_bulk(
        self,
        worker: "type[Worker] | str",
        rows: Iterable[Sequence[Any]],
        /,
        *,
        at: Iterable[When] | When | None = None,
        **options: Any,
    ) -> Sequence[str]:
        """Enqueues one job a row, lazily, 1,000 a round trip; answers the jids. `at` is one time for all or one each.

        Jobs that middleware stopped have no jid in the answer. When it fails part of the way, the exception's
        `pushed`, `uncertain` and `rest` say how far it came.
        """
        return self.enqueue_bulk(self.target(worker, options), rows, at)

    async def apush(self, worker: "type[Worker] | str", /, *args: Any, **said: Any) -> str | None:
        """`push` that does not block the event loop."""
        return await outlets.off_loop(partial(self.push, worker, *args, **said))

    async def apush_bulk(
        self, worker: "type[Worker] | str", rows: Iterable[Sequence[Any]], /, **said: Any
    ) -> Sequence[str]:
        """`push_bulk` that does not block the event loop. The rows are taken in another thread."""
        return await outlets.off_loop(partial(self.push_bulk, worker, rows, **said))

    def target(self, worker: "type[Worker] | str", options: dict[str, Any]) -> "Bound[...]":
        """What is to be enqueued: the worker with these options over its own. Raises ArgumentError."""
        bound = bound_of(worker)
        return bound.set(**options) if options else bound

    def enqueue(
        self, target: "Bound[...]", args: Sequence[Any], delay: float | None = None, at: float | None = None
    ) -> str | None:
        """`push` after the arguments have been bound. `delay` in seconds, `at` in epoch seconds."""
        if self._middleware.run is None and not outlets.present and not target.keeps:
            core = self._core or self._open()
            template = self._templates.get(target) or self._template(target)
            try:
                return core.push(template, args, delay, at)
            except ArgumentError as error:
                target.blame(error)
                raise
            except RedisConnectionError:
                if not self._revivable(core):
                    raise
                return self._open().push(template, args, delay, at)
        now = outlets.clock or time.time
        asked = now() + delay if delay is not None else at
        payload = self.prepare(target, args, asked)
        if payload is None:
            return None
        if payload.get("at") != asked:
            delay = None  # middleware has chosen another time
        try:
            if not outlets.present:
                return self._push_payload(payload, delay)
            self.check(payload)
            return next(
                iter(outlets.send([payload], lambda each: [self._push_payload(one, delay) for one in each])), None
            )
        except ArgumentError as error:
            target.blame(error)
            raise

    def _push_payload(self, payload: dict[str, Any], delay: float | None) -> str:
        def push() -> str:
            return self._call(lambda core: core.push_payload(payload, delay))

        if not payload.get("result_ttl"):
            return push()
        from fastkiq.results import store  # only here: most jobs keep no result

        return store.pushed(self, payload, push)

    def _push_payloads(self, payloads: Iterable[dict[str, Any]]) -> Sequence[str]:
        from fastkiq.results import store

        return (self._core or self._open()).push_payloads(store.begun(self, payloads))

    def command(self, *words: str | bytes | int | float) -> Any:
        """One Redis command. Raises RedisError kinds; one whose reply was lost, RedisConnectionError, may have run."""
        if outlets.records is not None:
            return outlets.records(words, lambda: self._call(lambda core: core.command(*words)))
        return self._call(lambda core: core.command(*words))

    def result(self, jid: str) -> "Result":
        """`fastkiq.result` for a job of this client's Redis."""
        from fastkiq.results import Result

        return Result(jid, client=self)

    def _call(self, call: Callable[[_core.Client], T]) -> T:
        core = self._core or self._open()
        try:
            return call(core)
        except RedisConnectionError:
            if not self._revivable(core):
                raise
            return call(self._open())

    def check(self, payload: dict[str, Any]) -> None:
        """Raises ArgumentError for a payload that a push would refuse: one that is held back is refused at the call."""
        size = len(_core.encode(payload))
        if size > self.config.max_payload_bytes:
            raise ArgumentError(
                f"payload: {size:,} bytes are more than max_payload_bytes allows ({self.config.max_payload_bytes:,})"
            )

    def enqueue_bulk(
        self, target: "Bound[...]", rows: Iterable[Sequence[Any]], at: Iterable[When] | When | None = None
    ) -> Sequence[str]:
        """`push_bulk` of a target."""
        times: Iterable[float] | float | None
        if at is None or isinstance(at, (int, float, datetime)):
            times = None if at is None else epoch_of(at)
        else:
            times = map(epoch_of, at)
        checked = target.rows(rows)
        try:
            if outlets.present:
                return outlets.send(self._checked_all(target, checked, times), self._push_payloads)
            if self._middleware.run is None and not target.keeps:
                core = self.core
                return core.push_bulk(self._templates.get(target) or self._template(target), checked, times)
            return self._push_payloads(self._prepare_all(target, checked, times))
        except ArgumentError as error:
            target.blame(error)
            raise

    def prepare(self, target: "Bound[...]", args: Sequence[Any], at: float | None) -> dict[str, Any] | None:
        """The payload as client middleware leaves it, or None when it was stopped."""
        payload: dict[str, Any] = {
            **target.options,
            "args": list(args),
            "class": target.name,
            "jid": os.urandom(12).hex(),
            "created_at": stamp(time.time(), self.config.compat),
        }
        if at is not None:
            payload["at"] = at
        run = self._middleware.run
        passed = payload if run is None else run(lambda: payload, target.worker or target.name, payload)
        if passed is None:
            return None
        if not options.is_queue(payload.get("queue")):
            raise ArgumentError(f"client middleware left {target.name} with the queue {payload.get('queue')!r:.80}")
        return payload

    def flush_buffer(self) -> int:
        """Sends what the outage buffer holds; answers how many jobs."""
        return self.core.flush_buffer()

    @property
    def buffered(self) -> int:
        """Jobs that wait in the outage buffer."""
        return 0 if self._core is None else self._core.buffered

    def close(self) -> None:
        """Closes the connections; the next push opens new ones."""
        with self._guard.lock:
            core, self._core = self._core, None
        if core is not None:
            core.close()

    def __repr__(self) -> str:
        url = self.config.safe_url() if self._url is None else _core.parse_url(self._url)["safe"]
        return f"Client({url!r})"

    def _open(self) -> _core.Client:
        with self._guard.lock:
            if self._core is not None:
                return self._core
            config = self.config
            self._core = _core.Client(
                config.resolved_url(self._url),
                pool_size=config.pool_size,
                connect_timeout=config.connect_timeout,
                timeout=config.redis_timeout,
                buffer=config.outage_buffer,
                max_bytes=config.max_payload_bytes,
                wait_replicas=config.wait_replicas,
                compat=config.compat,
            )
            if config.outage_buffer:
                _flush_at_exit(self._core)
            return self._core

    def _revivable(self, core: _core.Client) -> bool:
        """After a RedisConnectionError (so nothing was sent): whether another try makes sense.

        It does with the embedded server, which ends when nobody uses it; `_open` starts it anew.
        """
        if not self.config.is_embedded(self._url) or core.buffered:
            return False
        with self._guard.lock:
            if self._core is core:
                self._core = None
        return True

    def _template(self, target: "Bound[...]") -> _core.Template:
        template = _core.Template(target.name, target.options, self.config.max_payload_bytes)
        if target.lasting:
            self._templates[target] = template
        return template

    def _prepare_all(
        self, target: "Bound[...]", rows: Iterable[Sequence[Any]], times: Iterable[float] | float | None
    ) -> Iterator[dict[str, Any]]:
        each = iter(times) if isinstance(times, Iterable) else None
        for row in rows:
            at = times if each is None else next(each, None)
            if each is not None and at is None:
                raise ArgumentError("there are fewer times in `at` than rows")
            payload = self.prepare(target, row, at)  # type: ignore[arg-type]
            if payload is not None:
                yield payload

    def _checked_all(
        self, target: "Bound[...]", rows: Iterable[Sequence[Any]], times: Iterable[float] | float | None
    ) -> Iterator[dict[str, Any]]:
        for payload in self._prepare_all(target, rows, times):
            self.check(payload)
            yield payload


def delay_of(value: float | timedelta) -> float:
    """Seconds from now. Raises ArgumentError."""
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise ArgumentError(f"a delay is a number of seconds or a timedelta, not {type(value).__name__}")
    if not abs(seconds) <= MAX_EPOCH:  # NaN too
        raise ArgumentError(f"a delay of {shown(seconds)} seconds is out of range")
    return float(seconds)


def epoch_of(value: When) -> float:
    """Epoch seconds. Raises ArgumentError."""
    if isinstance(value, datetime):
        if value.utcoffset() is None:
            raise ArgumentError(f"{value!r} has no time zone: pass an aware datetime or epoch seconds")
        return value.timestamp()
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ArgumentError(f"a time is an aware datetime or epoch seconds, not {type(value).__name__}")
    if not abs(value) <= MAX_EPOCH:
        raise ArgumentError(f"{shown(value)} is out of range for epoch seconds (are they milliseconds?)")
    return float(value)


_CLIENT_SETTINGS = (
    "redis_url",
    "pool_size",
    "connect_timeout",
    "redis_timeout",
    "outage_buffer",
    "wait_replicas",
    "compat",
    "max_payload_bytes",
)
_replacement: Client | None = None
_current: Client | None = None
_current_version = 0  # of the configuration
_current_settings: tuple[Any, ...] = ()
_renewing = Guard()


def default() -> Client:
    """The client behind `perform_async`, made anew when the settings that concern it have changed."""
    if _replacement is not None:
        return _replacement
    if _current is not None and _current_version == configuration.default().version:
        return _current
    return _renew()


def replace_default(client: Client | None) -> Client | None:
    """Puts another client behind `perform_async` (None: the configured one) and answers the replacement before it."""
    global _replacement
    before, _replacement = _replacement, client
    return before


def _renew() -> Client:
    global _current, _current_version, _current_settings
    config = configuration.default()
    with _renewing.lock:
        config.load_once()
        version = config.version
        settings = (config, *(getattr(config, key) for key in _CLIENT_SETTINGS))
        if _current is None or _current_settings != settings:
            _current, _current_settings = Client(config=config), settings
        _current_version = version
        return _current


def bound_of(worker: "type[Worker] | str") -> "Bound[...]":
    """A worker as what can be enqueued; also one of a name that nobody has defined here. Raises ArgumentError."""
    entry = registry.find(worker) if isinstance(worker, str) else getattr(worker, "__fastkiq__", None)
    if isinstance(entry, registry.Entry):
        return entry.bound
    if not isinstance(worker, str):
        raise ArgumentError(f"a Worker or its name is wanted, not {worker!r:.80}")
    if not options.is_wire_name(worker):
        raise ArgumentError(f"{worker!r:.80} cannot name a worker: letters, digits and _ . : < > - only")
    from fastkiq.bound import Bound  # which imports this module

    return Bound(worker, None, None, dict(options.DEFAULTS))


def _flush_at_exit(core: _core.Client) -> None:
    """One try to send what an outage has left in memory. A forked child has a buffer of its own, empty at first."""
    import atexit
    import logging

    def flush() -> None:
        if not core.buffered:
            return
        try:
            core.flush_buffer()
        except RedisError as error:
            logging.getLogger("fastkiq").error("%d jobs of the outage buffer are lost: %s", core.buffered, error)

    atexit.register(flush)
