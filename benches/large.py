"""How fast the inspection API is when there is a lot: what each call takes, of whose processor, and the longest script.

    .venv/bin/python benches/large.py                     # 1,000,000 entries in each set and a queue: some 2.5 GB
    .venv/bin/python benches/large.py --entries 100000 --repeat 5

The server is one of its own, filled through pipelines. Nothing is judged: see `docs/api.md` for what was measured.
"""

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from fastkiq import api
from fastkiq.api.connection import Pipeline
from servers import Server

QUEUES, PROCESSES, CLASSES = 1_000, 500, 50
BACKTRACE = "eJ" + "x" * 120


def payload(number: int, failed: bool) -> bytes:
    at = 1_795_000_000_000 + number
    fields: dict[str, Any] = {
        "retry": True,
        "queue": f"q{number % 7}",
        "args": [number, "someone@example.org"],
        "class": f"app.jobs.Worker{number % CLASSES}",
        "jid": f"{number:024x}",
        "created_at": at,
    }
    if failed:
        message = f"HTTP {500 + number % 4} from host-{number % 1000}.example.org after {number % 977} ms"
        fields |= {"enqueued_at": at, "error_message": message, "error_class": f"Error{number % 11}"}
        fields |= {"failed_at": at, "retry_count": 1, "retried_at": at, "error_backtrace": BACKTRACE}
    return json.dumps(fields, separators=(",", ":")).encode()


def fill(redis: api.Redis, entries: int) -> None:
    for start in range(0, entries, 5_000):
        numbers = range(start, min(start + 5_000, entries))
        with redis.pipeline(transaction=False) as pipeline:
            for key, failed in (("schedule", False), ("retry", True), ("dead", True)):
                # Ties as a bulk push makes them: a hundred of a score.
                pipeline.zadd(key, {payload(number, failed): 1.8e9 + number // 100 for number in numbers})
            pipeline.lpush("queue:big", *(payload(number, False) for number in numbers))
            pipeline.execute()
    with redis.pipeline(transaction=False) as pipeline:
        pipeline.sadd("queues", "big")
        for number in range(QUEUES - 1):
            pipeline.sadd("queues", f"q{number}")
            pipeline.lpush(f"queue:q{number}", payload(number, False))
        pipeline.execute()
    for number in range(PROCESSES):
        process(redis, number)
    metrics(redis)


def process(redis: api.Redis, number: int) -> None:
    identity, now = f"host-{number}:{number}:{number:012x}", time.time()
    info = {
        "hostname": f"host-{number}",
        "started_at": now - 1e4,
        "pid": number,
        "tag": "app",
        "labels": [],
        "queues": ["big", "q1"],
        "version": "fastkiq 0.1.0",
        "identity": identity,
        "embedded": False,
        "capsules": {"default": {"concurrency": 25, "mode": "weighted", "weights": {"big": 2, "q1": 1}}},
    }
    with redis.pipeline(transaction=False) as pipeline:
        pipeline.sadd("processes", identity)
        told = {"info": json.dumps(info), "busy": 10, "concurrency": 25, "beat": now, "rtt_us": 300, "quiet": "false"}
        pipeline.hset(identity, mapping={**told, "rss": 90_000})
        for thread in range(10):
            job = payload(number * 10 + thread, False).decode()
            work = {"queue": "big", "payload": job, "run_at": int(now)}
            pipeline.hset(f"{identity}:work", f"t{thread}", json.dumps(work))
        pipeline.execute()


def metrics(redis: api.Redis) -> None:
    now = datetime.now(UTC)
    with redis.pipeline(transaction=False) as pipeline:
        for back in range(4_320):
            at = now - timedelta(minutes=back)
            tens = f"j|{at:%y%m%d}|{at.hour}:{at.minute // 10}"
            for key in ([f"j|{at:%y%m%d}|{at.hour}:{at:%M}"] if back < 480 else []) + (
                [tens] if back % 10 == 0 else []
            ):
                counts = {f"app.jobs.Worker{each}": random.randrange(1, 1_000) for each in range(CLASSES)}
                fields = {f"{name}|{what}": n for name, n in counts.items() for what in ("p", "f", "ms")}
                pipeline.hset(key, mapping=fields)
            if back < 480:
                pipeline.set(f"h|app.jobs.Worker1-{at.day}-{at.hour}:{at.minute}", b"\0\1" * 20)
        pipeline.execute()


def calls(redis: api.Redis, entries: int) -> Iterator[tuple[str, Callable[[], object]]]:
    retries, dead, queue = api.RetrySet(redis), api.DeadSet(redis), api.Queue("big", redis)
    middle = f"{1.8e9 + entries // 200:.0f}_n50"
    jid = f"{entries - 5:024x}"
    yield "Stats.summary()", api.Stats(redis).summary
    yield "Stats.history(1825)", lambda: api.Stats(redis).history(1_825)
    yield "Stats.server()", api.Stats(redis).server
    yield "queues()", lambda: api.queues(redis)
    yield "Queue.state()", queue.state
    yield "Queue.memory()", queue.memory
    yield "Queue.page()", queue.page
    yield "Queue.page(), in the middle", lambda: queue.page(f"head_{entries // 2}")
    yield "Queue.page(), a filter that finds nothing", lambda: queue.page(wanted=api.Filter(class_name="Nobody"))
    yield "RetrySet.size", lambda: retries.size
    yield "RetrySet.page()", retries.page
    yield "RetrySet.page(), in the middle", lambda: retries.page(middle)
    yield "DeadSet.page(limit=100)", lambda: dead.page(limit=100)
    yield "RetrySet.page(), a class", lambda: retries.page(wanted=api.Filter(class_name="Worker7"))
    yield "RetrySet.page(), a filter that finds nothing", lambda: retries.page(wanted=api.Filter(error="nobody's"))
    yield (
        "RetrySet.page(), a group",
        lambda: retries.page(wanted=api.Filter(group="Error3: HTTP # from host-#.example.org after # ms")),
    )
    yield "RetrySet.page(), an argument of digits", lambda: retries.page(wanted=api.Filter(argument=str(entries - 3)))
    yield "RetrySet.fetch(id)", lambda: retries.fetch(f"{1.8e9 + entries // 200}-{entries // 2 + 50:024x}")
    yield "ProcessSet.page()", api.ProcessSet(redis).page
    yield "list(ProcessSet)", lambda: list(api.ProcessSet(redis))
    yield "WorkSet.page()", api.WorkSet(redis).page
    yield "list(WorkSet)", lambda: list(api.WorkSet(redis))
    yield "MetricsQuery.top('1h')", lambda: api.MetricsQuery(redis).top("1h")
    yield "MetricsQuery.top('72h')", lambda: api.MetricsQuery(redis).top("72h")
    yield "MetricsQuery.of(class, '8h')", lambda: api.MetricsQuery(redis).of("app.jobs.Worker1", "8h")
    yield "search(jid), its first part", lambda: api.search(jid, redis)


def once(redis: api.Redis, entries: int) -> Iterator[tuple[str, Callable[[], object]]]:
    retries = api.RetrySet(redis)
    yield "Grouping, whole", lambda: api.Grouping(retries).advance(1e9)
    yield "RetrySet.find(jid), the last one", lambda: retries.find(f"{entries - 1:024x}")
    yield "Queue.find(jid), the next one", lambda: api.Queue("big", redis).find(f"{0:024x}")
    yield "RetrySet.sweep('delete', class)", lambda: retries.sweep("delete", api.Filter(class_name="Worker7"))
    yield "RetrySet.sweep('retry', 2 s)", lambda: retries.sweep("retry", seconds=2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=9)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = Server("redis", Path(folder), "slowlog-log-slower-than 1000", "slowlog-max-len 1000").start()
        try:
            redis = api.connect(url=server.url)
            fill(redis, options.entries)
            heads = ("median ms", "best", "own CPU", "Redis CPU")
            print(" " * 45, *(f"{head:>10}" for head in heads), " commands  scripts over 1 ms: median, longest")
            for name, call in calls(redis, options.entries):
                tell(redis, name, call, options.repeat)
            for name, call in once(redis, options.entries):
                tell(redis, name, call, 1)
        finally:
            server.kill()


def tell(redis: api.Redis, name: str, call: Callable[[], object], repeat: int) -> None:
    if repeat > 1:
        call()
    redis.slowlog_reset()
    taken, own, theirs = [], -time.process_time(), -cpu(redis)
    with counted() as sent:
        for _ in range(repeat):
            start = time.perf_counter()
            call()
            taken.append(time.perf_counter() - start)
    own, theirs = own + time.process_time(), theirs + cpu(redis)
    slow = [entry["duration"] / 1000 for entry in redis.slowlog_get(1_000) if b"EVAL" in entry["command"]]
    figures = [statistics.median(taken), min(taken), own / repeat, theirs / repeat]
    columns = " ".join(f"{figure * 1000:10.1f}" for figure in figures)
    print(
        f"{name:45} {columns} {len(sent) // repeat:9} {statistics.median(slow or [0]):9.1f} {max(slow or [0]):9.1f}",
        flush=True,
    )


@contextmanager
def counted() -> Iterator[list[str]]:
    """The commands that leave."""
    sent: list[str] = []
    plain, together = api.Redis.execute_command, Pipeline.execute

    def one(self: api.Redis, *words: Any, **options: Any) -> Any:
        sent.append(words[0])
        return plain(self, *words, **options)

    def some(self: Pipeline, raise_on_error: bool = True) -> list[Any]:
        sent.extend(words[0] for words, _ in self.command_stack)
        return together(self, raise_on_error)

    api.Redis.execute_command, Pipeline.execute = one, some
    yield sent
    api.Redis.execute_command, Pipeline.execute = plain, together


def cpu(redis: api.Redis) -> float:
    """Seconds of Redis's processor."""
    info = redis.info("cpu")
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])


if __name__ == "__main__":
    main()
