"""The Rust core of fastkiq. Private: the public names live in `fastkiq`.

Errors raised here are the classes of `fastkiq.errors`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, final, overload

__all__ = [
    "Client",
    "Jids",
    "Processor",
    "Server",
    "Template",
    "Unit",
    "__version__",
    "blank_title",
    "cron_describe",
    "cron_flaw",
    "cron_ticks",
    "debug_build",
    "decode",
    "encode",
    "mended",
    "parse_url",
    "raise_in_thread",
    "schema",
    "splice",
]

__version__: Final[str]
debug_build: Final[bool]
schema: Final[str]
"""Version of the layout of fastkiq's own keys that this one writes; it reads those before it too."""

@final
class Template:
    """The fixed part of a payload: made once a worker class (and option set), used by each push.

    `options` is written first, in its order (it must hold `retry` and `queue`), then `args`, `class`, `jid`,
    `created_at` and, when the job goes to a queue at once, `enqueued_at`, as Sidekiq orders them.
    """

    def __new__(cls, class_name: str, options: Mapping[str, Any], max_bytes: int = 8_388_608) -> Template: ...
    @property
    def queue(self) -> str: ...
    @property
    def class_name(self) -> str: ...

@final
class Jids(Sequence[str]):
    """The job ids of a bulk push: 12 bytes each in memory, 24 hex digits each to the reader."""

    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, index: int, /) -> str: ...
    @overload
    def __getitem__(self, index: slice, /) -> list[str]: ...
    def __iter__(self) -> Iterator[str]: ...
    def __contains__(self, value: object, /) -> bool: ...

@final
class Client:
    """A pool of connections to one Redis, safe for threads, reopened in a forked child, lazily connected."""

    def __new__(
        cls,
        url: str,
        *,
        pool_size: int = 16,
        connect_timeout: float = 3.0,
        timeout: float = 5.0,
        buffer: int = 0,
        max_bytes: int = 8_388_608,
        wait_replicas: int = 0,
        compat: str | None = None,
    ) -> Client:
        """`buffer`: jobs kept in memory while Redis is away. `max_bytes`: the limit of `push_payload`; templates have
        their own. `wait_replicas`: so many replicas must confirm a push within half of `timeout`, or
        PushUncertain. `compat`: None, or "sidekiq7", whose times are float seconds."""

    @property
    def url(self) -> str:
        """The URL without its secrets."""

    def push(
        self, template: Template, args: Sequence[Any], delay: float | None = None, at: float | None = None, /
    ) -> str:
        """One job in one round trip; answers its jid. `delay` (seconds from now by Redis's clock) or `at` (epoch
        seconds) puts it in `schedule`; not positive or past = now. `args` is a list or tuple of plain JSON."""

    def push_bulk(
        self,
        template: Template,
        rows: Iterable[Sequence[Any]],
        at: Iterable[float] | float | None = None,
        batch: int = 1000,
        /,
    ) -> Jids:
        """Each row is one job's args. Lazily, `batch` jobs (or 4 MiB) a round trip; the next batch is taken while one
        is under way."""

    def push_payload(self, payload: dict[str, Any], delay: float | None = None, /) -> str:
        """A whole payload (after client middleware). Fills in `jid`, `created_at`; `at` (epoch seconds) is stripped and
        decides the set; `queue`, `class`, `args`, `retry` must be there. With `delay` the time of one that has `at` is
        that many seconds from now by Redis's clock, in place of `at`."""

    def push_payloads(self, payloads: Iterable[dict[str, Any]], /) -> Jids:
        """`push_payload` for many, 1,000 a round trip. All to queues or all to `schedule`, or mixed."""

    def command(self, *words: str | bytes | int | float) -> Any:
        """One Redis command, for the slow paths of the command line. Bulk strings come as bytes."""

    def recover(
        self,
        identity: str,
        how: Literal["look", "rescue", "force"],
        score: str | None,
        members: Sequence[str],
        bounds: tuple[int, float],
        /,
    ) -> tuple[str, int, list[tuple[str, str, bytes]], str | None]:
        """One process by hand: what its flights hold goes back to the front of its queues, as a server's recovery does
        it. Answers (state, jobs put back, (class, jid, bytes) of those that went to `dead`, a refusal of Redis).

        The state is "dead" (not in the registry), "gone" (proved to have ended on this machine), "stale" (its entry in
        the registry still has this `score`, with which the caller has seen it stand still for its lease), "forced",
        "alive" or "newer" (its layout is of a newer schema): then nothing was done, nor with "look". `members` are
        "<queue>:<number>" of flights found by their keys; `bounds` are those of `dead`: how many jobs and seconds.
        """

    @property
    def buffered(self) -> int:
        """Jobs that wait in the outage buffer."""

    def flush_buffer(self) -> int: ...
    def close(self) -> None: ...

@final
class Unit:
    """One claimed job. Exactly one of the settling calls below counts; later ones do nothing and answer False.

    The settling calls only hand over to the fetcher thread, which writes within 5 ms. They never block, `begin` aside.
    """

    @property
    def worker(self) -> Any:
        """The object registered for the payload's class, or None when nobody registered one."""

    @property
    def class_name(self) -> str:
        """The payload's class; of Active Job's wrappers what they wrap."""

    @property
    def jid(self) -> str: ...
    @property
    def tid(self) -> str:
        """The field of `<identity>:work` in which readers see it run."""

    @property
    def queue(self) -> str: ...
    @property
    def args(self) -> Sequence[Any]:
        """What `perform` gets, decoded anew at each call. Raises ArgumentError when Active Job's cannot be read."""

    @property
    def raw(self) -> bytes:
        """The stored bytes."""

    @property
    def recovered(self) -> int:
        """How many deaths of a process it has survived."""

    def payload(self) -> dict[str, Any]:
        """The whole payload, decoded anew at each call."""

    def done(self) -> bool:
        """Succeeded: acked and counted as processed."""

    def begin(self) -> bool:
        """For `ack="start"`: acks and waits until Redis has confirmed. False: the lease was lost, do not run it."""

    def fail(self) -> bool:
        """Failed and not kept: acked, counted as processed and failed."""

    def retry(self, delay: float, fields: Mapping[str, Any], /, *, failed: bool = True, absolute: bool = False) -> bool:
        """To `retry`, `delay` seconds from now by Redis's clock (an epoch time when `absolute`), with `fields` spliced
        in (None removes a field)."""

    def schedule(self, delay: float, fields: Mapping[str, Any], /) -> bool:
        """To `schedule`: snoozed. Counted as processed, not as failed."""

    def kill(self, fields: Mapping[str, Any], /) -> bool:
        """To `dead` (trimmed), with `fields` spliced in. Counted as processed and failed."""

    def give_back(self) -> bool:
        """To the front of its queue, uncounted."""

@final
class Processor:
    """One worker thread's hold on the server."""

    def next(self) -> Unit | None:
        """The next job to run on this thread; waits detached. None: the thread is to end.

        Taking the next one also ends the time of the last one."""

@final
class Server:
    """Fetcher, scheduler, heartbeat and recovery: Rust threads that never attach to the interpreter.

    One a process image; used in a forked child it raises ForkedError.
    """

    def __new__(cls, url: str, workers: Mapping[str, tuple[Any, bool]], options: Mapping[str, Any], /) -> Server:
        """`workers`: wire name -> (object answered by `Unit.worker`, whether it runs on the event loop).

        `options` (all optional but `queues`):
        queues: list[tuple[str, int]] (name, weight; all weights 0 = strict order), concurrency: int,
        async_concurrency: int (these three of the default capsule), capsules: list[tuple[name, queues, concurrency,
        async_concurrency]] (those beside it, numbered from 1), fetch: "reliable" | "basic", lease: float (30),
        beat: float (lease/6), tag: str,
        labels: list[str], hostname: str, version: str,
        poll_interval: float | None (None = due-time driven; else Sidekiq's average), dead_max: int (10000),
        dead_timeout: float (15552000), max_bytes: int (payload limit), connect_timeout: float, timeout: float,
        compat: "sidekiq7" | None (times and metrics as Sidekiq 7 has them), cron: list[bytes] (definitions of recurring
        jobs that this process holds).
        """

    @property
    def identity(self) -> str: ...
    @property
    def url(self) -> str: ...
    @property
    def event_fd(self) -> int:
        """Readable when `events()` has something. Owned by the core."""

    @property
    def async_fd(self) -> int:
        """Readable when `next_async()` may have something. Owned by the core."""

    def start(self) -> None:
        """Connects, registers, starts the threads. Raises RedisError kinds when Redis cannot be used."""

    def processor(self, name: str, capsule: int = 0, /) -> Processor:
        """For the calling thread; `name` as in threading. Raises ConfigError when there is no such capsule."""

    def next_async(self) -> Unit | None:
        """The next coroutine job, or None at once."""

    def events(self) -> list[tuple[Any, ...]]:
        """What has happened since the last call, oldest first:

        ("spawn", capsule)               one more worker thread is wanted (answer: start one that calls `processor`)
        ("signal", name)                 TSTP, TERM, TTIN, STACKS: from outside, through `<id>-signals`
        ("beat",), ("heartbeat",)        a beat was confirmed; the first one, or the first after an outage or new
                                         identity
        ("log", level, message)          level as in logging; message already free of control characters and secrets
        ("bad", reason, queue, raw)      a payload that no job can be made of went to `dead`; `raw` is as it was
        ("poison", class, jid, raw)      a job that killed its process three times went to `dead`
        ("recovered", identity, jobs)    jobs of a dead process were put back
        ("summary", processed, failed, seconds)   once a minute while there was work
        """

    def quiet(self) -> None:
        """Stop claiming; what has not begun goes back to the front. Idempotent; returns when that is done, or after
        1 s: it goes on without being waited for."""

    def wait_idle(self, seconds: float, /) -> bool:
        """Waits detached until nothing runs."""

    def give_back_running(self) -> int:
        """At the deadline: what still runs goes back to the front, counted as processed and failed as Sidekiq does."""

    def running(self) -> list[tuple[str, str, str, float, str]]:
        """(thread name, class, jid, seconds, tid) of what runs now; "async" is the name of every coroutine's thread."""

    def show_stacks(self, fields: dict[str, str], /) -> None:
        """Writes the hash `fastkiq:stacks:<identity>`, which lives for a minute. Waits for Redis as long as the setting
        `redis_timeout` says; raises RedisError."""

    @property
    def busy(self) -> int: ...
    @property
    def processed(self) -> int: ...
    @property
    def failed(self) -> int: ...
    @property
    def rtt(self) -> float:
        """Seconds that the last confirmed beat took, there and back."""

    def info(self) -> dict[str, str]:
        """Facts for boot checks: redis_version, valkey_version, server_name, maxmemory_policy, aof_enabled, rdb_saves,
        os, mode; absent when hidden."""

    def pending(self, horizon: float, /) -> tuple[int, int, int]:
        """For --drain: (jobs in the served queues, due within `horizon` seconds in retry and schedule for them, later
        ones)."""

    def serve_health(self, address: str, /) -> str:
        """Answers `/live`, `/ready` and `/metrics` at `HOST:PORT` (port 0: any) from now on, whatever the interpreter
        does; answers where. Raises OSError when that address cannot be had."""

    def end_health(self) -> None:
        """No longer."""

    def stop(self) -> None:
        """Flushes, leaves the registry, joins the threads. `Processor.next` answers None afterwards. Idempotent."""

def parse_url(url: str, /) -> dict[str, Any]:
    """The one parser of Redis URLs. Keys: scheme ("redis", "rediss", "unix", "sentinel", "embedded"), host, port, path,
    username, password, db, service, sentinels ([(host, port)]), tls options (ca_certs, certfile, keyfile, cert_reqs,
    check_hostname), `safe` (URL with its secrets redacted). Raises ConfigError."""

def encode(value: Any, /) -> bytes:
    """Plain JSON in the bytes of Ruby's JSON.generate. Raises ArgumentError naming the path."""

def decode(data: bytes | str, /) -> Any:
    """Strict JSON to Python objects. Raises ValueError."""

def splice(payload: bytes, fields: Mapping[str, Any], /) -> bytes:
    """Sets (or with None removes) top-level fields of a stored JSON object; every other byte stays as it is."""

def mended(
    raw: bytes, queue: str, to: Literal["queue", "retry", "schedule", "dead"], compat: str | None = None, /
) -> bytes:
    """A stored entry as it may be written to another place: without what a page of Sidekiq's would crash on or its
    "Retry All" would lose, all else byte for byte; `raw` itself when nothing must change.

    One that names no queue gets `queue`. For `retry` it gets the time that its page shows, where it has none: now, in
    the form of `compat`. What no job can be made of goes to a set whole inside of a payload of the class
    `fastkiq.Unreadable`, and to a queue as it is. Whoever moves it to a queue sets `enqueued_at` himself."""

def cron_ticks(expression: str, timezone: str, after: float, count: int = 1, /) -> list[int]:
    """The next `count` ticks of a cron expression after the epoch time `after`, in epoch seconds; fewer when no more
    come. Raises ValueError that says what is wrong with the expression or the IANA name of the time zone.

    Five fields, or six that begin with seconds. Where neither minute nor hour begins with `*` the times are fixed ones:
    what a clock change skips comes at the first moment after it, what it repeats comes once. Others run through."""

def cron_describe(expression: str, /) -> str:
    """What a cron expression means, in English. Raises ValueError."""

def cron_flaw(definition: bytes, /) -> str | None:
    """Why no process of this version would fire a recurring job that `fastkiq:cron` holds so; None when one would."""

def raise_in_thread(thread_id: int, exception: type[BaseException], /) -> bool: ...
def blank_title(secret: str, /) -> Literal[True, False]:
    """Overwrites `secret` in this process's command line as `ps` shows it. Linux only; False elsewhere."""
