"""One measurement, from an empty database to an empty database."""

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from fastkiq import _core, client
from fastkiq.bench import database, facts, load, meter, probe
from fastkiq.bench.errors import BenchError
from fastkiq.bench.interrupts import interruptible
from fastkiq.bench.jobs import Nothing
from fastkiq.bench.proxy import Proxy
from fastkiq.bench.queues import queue_names
from fastkiq.bench.server import PrivateServer
from fastkiq.bench.workers import Workers
from fastkiq.config import Config
from fastkiq.errors import FastkiqError, RedisConnectionError, RedisError
from fastkiq.printable import counted

_LOOK: Final = 0.025  # seconds between two looks at how far the workers are
_STUCK: Final = 60.0  # seconds without one more job done
_MANY: Final = 1_000
"""Fewer jobs drown in what the server allocates for itself."""

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be measured."""

    jobs: int
    concurrency: int
    processes: int
    queues: int
    fetch: str
    text: str
    """The first argument of each job; it makes the payload as large as it is to be."""
    delay_ms: float
    """What the network adds to a round trip."""
    probes: int
    """How often an idle worker is woken up."""
    size: int
    """Bytes that the jobs take in Redis, about."""


def measure(plan: Plan, url: str | None, tell: Tell) -> dict[str, Any]:
    """The figures, units in their names. `url` None: on a private server. `tell` hears what is being done.

    Raises BenchError, RedisError, OSError. Whatever happens, nothing of it is left: no process, no key, no file.
    """
    with interruptible() as leave_in_peace, ExitStack() as stack:
        try:
            return _measure(plan, url, tell, stack)
        finally:
            leave_in_peace()


def _measure(plan: Plan, url: str | None, tell: Tell, stack: ExitStack) -> dict[str, Any]:
    private = url is None
    if url is None:
        url = stack.enter_context(PrivateServer()).url
    core = _core.Client(url)
    stack.callback(core.close)
    queues = queue_names(plan.queues)
    database.check(core, url, queues)
    pids: list[int] = []
    if not private:
        database.check_room(core, plan.size)
        stack.enter_context(_cleaning(core, queues, pids))
    path = stack.enter_context(_network(url, plan.delay_ms))
    stack.enter_context(_pushing_to(path))
    figures = _enqueue(plan, core, queues, tell)
    tell(f"starting {counted(plan.processes, 'worker process', 'worker processes')}")
    workers = stack.enter_context(Workers(plan.processes, path, queues, plan.concurrency, plan.fetch, pids))
    at_rest = workers.usage()
    tell("waking idle workers")
    wake_ups = probe.wake_ups(workers, queues, plan.probes)
    tell(f"draining {counted(plan.jobs, 'job')}")
    figures |= _drain(plan, core, queues, workers)
    tell("tidying up")
    return {
        "fastkiq": _core.__version__,
        "python": facts.python(),
        "python_optimised": facts.optimised(),
        "server": facts.server(core),
        "server_private": private,
        "machine": facts.machine(),
        "log_level": Config.log_level.default,
        "fetch": plan.fetch,
        "jobs": plan.jobs,
        "processes": plan.processes,
        "concurrency": plan.concurrency,
        "queues": plan.queues,
        "delay_ms": plan.delay_ms,
        **figures,
        "wake_up_probes": len(wake_ups),
        "wake_up_p50_ms": _ms(probe.percentile(wake_ups, 50)),
        "wake_up_p90_ms": _ms(probe.percentile(wake_ups, 90)),
        "wake_up_p99_ms": _ms(probe.percentile(wake_ups, 99)),
        "wake_up_max_ms": _ms(wake_ups[-1]),
        "worker_rss_at_rest_mib": _mib(max(each["rss_bytes"] for each in at_rest)),
        "hints": facts.hints(),
    }


def _enqueue(plan: Plan, core: _core.Client, queues: list[str], tell: Tell) -> dict[str, Any]:
    """One by one, which is thrown away, then in bulk, which is put aside."""
    targets = [Nothing.set(queue=queue) for queue in queues]
    tell("enqueueing one by one")
    singles, seconds = load.singly(targets, plan.text, min(plan.jobs, load.SINGLES))
    payload = core.command("LINDEX", f"queue:{queues[0]}", 0)
    core.command("DEL", *(f"queue:{queue}" for queue in queues))
    before = meter.read(core)
    tell(f"enqueueing {counted(plan.jobs, 'job')} in bulk")
    bulk_seconds = load.in_bulk(targets, plan.text, plan.jobs)
    after = meter.read(core)
    load.put_aside(core, queues)
    grown = None
    if before is not None and after is not None and plan.jobs >= _MANY:
        grown = (after.memory_bytes - before.memory_bytes) / plan.jobs
    return {
        "payload_bytes": len(payload),
        "enqueue_single_jobs_per_second": round(singles / seconds),
        "enqueue_single_jobs": singles,
        "enqueue_bulk_jobs_per_second": round(plan.jobs / bulk_seconds),
        "redis_memory_bytes_per_job": None if grown is None else round(grown, 1),
    }


def _drain(plan: Plan, core: _core.Client, queues: list[str], workers: Workers) -> dict[str, Any]:
    done = _processed(core)
    used = workers.usage()
    before = meter.read(core)
    load.put_back(core, queues)
    looks = _await(core, workers, done + plan.jobs)
    after = meter.read(core)
    using = workers.usage()
    if failed := int(core.command("GET", "stat:failed") or 0):
        raise BenchError(f"{failed:,} of {plan.jobs:,} jobs failed{workers.last_words()}")
    seconds = max(each["last"] for each in using) - min(each["first"] for each in using if each["first"])
    cpu = sum(each["cpu_seconds"] for each in using) - sum(each["cpu_seconds"] for each in used)
    own = 1 + 2 * len(queues) + looks  # the first INFO, what put_back says, and the looks
    redis = None if before is None or after is None else after.since(before, own)
    return {
        "drain_jobs_per_second": round(plan.jobs / seconds) if seconds > 0 else None,
        "drain_seconds": round(seconds, 4),
        "worker_cpu_us_per_job": _us(cpu / plan.jobs),
        "redis_cpu_us_per_job": None if redis is None else _us(redis.cpu_seconds / plan.jobs),
        "redis_commands_per_job": None if redis is None else round(redis.commands / plan.jobs, 4),
        "redis_round_trips_per_job": None if redis is None else round(redis.round_trips / plan.jobs, 4),
        "worker_rss_peak_mib": _mib(max(each["peak_bytes"] for each in using)),
    }


def _await(core: _core.Client, workers: Workers, wanted: int) -> int:
    """Until so many have been acknowledged; answers how often it looked."""
    looks, seen, at = 0, -1, time.monotonic()
    while True:
        looks += 1
        done = _processed(core)
        if done >= wanted:
            return looks
        if done != seen:
            seen, at = done, time.monotonic()
        elif time.monotonic() - at > _STUCK:
            raise BenchError(f"{wanted - done:,} jobs are left and none was done for {_STUCK:.0f} s")
        workers.check()
        time.sleep(_LOOK)


def _processed(core: _core.Client) -> int:
    return int(core.command("GET", "stat:processed") or 0)


@contextmanager
def _network(url: str, delay_ms: float) -> Iterator[str]:
    """The URL by which jobs go to and fro."""
    if not delay_ms:
        yield url
        return
    parsed = _core.parse_url(url)
    with Proxy(parsed["path"] or (parsed["host"], parsed["port"]), delay_ms) as proxy:
        user, password = (quote(parsed[key] or "", safe="") for key in ("username", "password"))
        secret = f"{user}:{password}@" if user or password else ""
        yield f"redis://{secret}127.0.0.1:{proxy.port}/{parsed['db'] or 0}"


def delayable(url: str) -> bool:
    """Whether a proxy can stand before the server: not where its name is checked, nor where others lead to it."""
    return _core.parse_url(url)["scheme"] in ("redis", "unix", "embedded")


@contextmanager
def _pushing_to(url: str) -> Iterator[None]:
    """Makes `perform_async` enqueue there, with the settings as they are by default."""
    pusher = client.Client(url, config=Config())
    before = client.replace_default(pusher)
    try:
        pusher.core.command("PING")  # connects
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "a job's payload of")  # it is as large as was asked for
            yield
    finally:
        client.replace_default(before)
        pusher.close()


@contextmanager
def _cleaning(core: _core.Client, queues: list[str], pids: list[int]) -> Iterator[None]:
    """Takes everything out of the database again. An error before does not get lost in one of this."""
    so_far = ""
    try:
        yield
    except FastkiqError as error:
        so_far = f"{error}; moreover, "
        raise
    finally:
        try:
            database.clean(core, queues, pids)
        except RedisError as error:
            why = "" if isinstance(error, RedisConnectionError) and so_far else f": {error}"
            raise BenchError(f"{so_far}what was put into Redis could not be deleted{why}") from None


def _ms(seconds: float) -> float:
    return round(seconds * 1e3, 3)


def _us(seconds: float) -> float:
    return round(seconds * 1e6, 2)


def _mib(size: int) -> float | None:
    """None for what the system does not tell."""
    return round(size / 1024 / 1024, 1) or None
