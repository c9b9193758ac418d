"""Many jobs with faults at random: no loss, and no growth of memory, threads, descriptors or keys."""

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
import redis as redis_py

import fastkiq
from faults.lab.books import leftovers
from faults.lab.crew import Crew, Worker
from faults.lab.load import QUEUES
from faults.lab.results import record
from faults.lab.scale import LONG, dice, scaled
from faults.lab.usage import Usage, needs_proc
from servers import Server, wait_until

JOBS = scaled(200_000, 20_000_000)
CHUNK = 10_000
BACKLOG = 100_000
APP = Path(__file__).with_name("lab") / "soak_app.py"


class Producer(threading.Thread):
    """Pushes every number once; what was refused again, what is uncertain not."""

    def __init__(self, url: str, chance: Random) -> None:
        super().__init__(name="producer", daemon=True)
        self._client, self._chance = fastkiq.Client(url), chance
        self.uncertain: set[int] = set()
        self.errors: Counter[str] = Counter()

    def run(self) -> None:
        for first in range(0, JOBS, CHUNK):
            while self._backlog() > BACKLOG:
                time.sleep(0.01)
            self._push(first, min(first + CHUNK, JOBS))

    def _backlog(self) -> int:
        try:
            return sum(int(self._client.core.command("LLEN", f"queue:{queue}")) for queue in QUEUES)
        except fastkiq.errors.RedisError:
            return BACKLOG + 1

    def _push(self, first: int, end: int) -> None:
        kind = self._chance.choices(("Tick", "AsyncTick", "FlakyTick"), (95, 5, 0 if end % (10 * CHUNK) else 10))[0]
        queue = self._chance.choice(QUEUES)
        while first < end:
            try:
                self._client.push_bulk(f"soak_app.{kind}", ((number,) for number in range(first, end)), queue=queue)
                return
            except fastkiq.errors.RedisError as error:
                self.errors[type(error).__name__] += 1
                first += len(error.pushed)
                self.uncertain.update(range(first, first + len(error.uncertain)))
                first += len(error.uncertain)
                time.sleep(0.05)


@needs_proc
@pytest.mark.timeout(3600)
def test_millions_of_jobs_with_faults_at_random(
    crew: Callable[..., Crew], start_server: Callable[..., Server], tmp_path: Path
) -> None:
    chance = dice("soak")
    own = start_server("appendonly yes", "appendfsync always", "auto-aof-rewrite-min-size 256mb")
    runs = tmp_path / "runs"
    runs.write_bytes(bytes(JOBS))
    with own.client() as redis:
        workers = crew(own.url, "-c", "10", "--async-concurrency", "50", app=APP)
        elder = workers.start(SOAK=str(runs))
        workers.start(SOAK=str(runs))
        workers.ready()
        producer = Producer(own.url, Random(chance.randrange(10**9)))
        started = time.monotonic()
        producer.start()
        faults: Counter[str] = Counter()
        samples: list[dict[str, int]] = []
        usage = Usage([elder.pid])
        while producer.is_alive():
            time.sleep(chance.uniform(0.3, scaled(0.6, 3.0)))
            samples.append(sample(usage, redis))
            faults[disturb(chance, workers, elder, own, redis, runs)] += 1
        wait_until(lambda: through(redis), 120, "empty queues")
        took = time.monotonic() - started
        wait_until(lambda: not leftovers(redis), 20, "empty flights")
        samples.append(sample(usage, redis))
        counts = Counter(runs.read_bytes())
        ledger = runs.read_bytes()
        lost = [number for number in range(JOBS) if not ledger[number] and number not in producer.uncertain]
        dead = redis.zcard("dead")
        workers.stop()
    steady = samples[len(samples) // 5 :]
    record(
        "long run",
        faults=sum(faults.values()),
        kinds=dict(faults),
        jobs=JOBS,
        seconds=took,
        lost=len(lost) - dead,
        pills=dead,
        twice=sum(count for times, count in counts.items() if times > 1),
        uncertain=len(producer.uncertain),
        push_errors=dict(producer.errors),
        rss_kib=[each["rss"] for each in samples[:: max(1, len(samples) // 10)]],
        threads=[steady[0]["threads"], steady[-1]["threads"]],
        descriptors=[steady[0]["descriptors"], steady[-1]["descriptors"]],
        keys=samples[-1]["keys"],
    )
    assert len(lost) <= dead, lost[:10]
    assert steady[-1]["threads"] <= steady[0]["threads"] + 10
    assert steady[-1]["descriptors"] <= steady[0]["descriptors"] + 10
    # It settles in the first half: caches of the interpreter and pools of the allocator fill up.
    assert not LONG or samples[-1]["rss"] - samples[len(samples) * 6 // 10]["rss"] < 1_500, samples
    assert samples[-1]["keys"] < 100 + 2 * sum(faults.values())


def through(redis: redis_py.Redis) -> bool:
    waiting = sum(redis.llen(f"queue:{queue}") for queue in QUEUES)
    return waiting + redis.zcard("retry") + redis.zcard("schedule") == 0


def sample(usage: Usage, redis: redis_py.Redis) -> dict[str, int]:
    try:
        metrics = sum(1 for pattern in ("j|*", "h|*") for _ in redis.scan_iter(pattern))
        keys = redis.dbsize() - metrics  # these go by the clock
    except redis_py.RedisError:
        keys = -1
    return {"rss": usage.rss_kib(), "threads": usage.threads(), "descriptors": usage.descriptors(), "keys": keys}


def disturb(chance: Random, workers: Crew, elder: Worker, own: Server, redis: redis_py.Redis, runs: Path) -> str:
    """One fault. The elder is never ended: what would grow grows in it."""
    fault = chance.choices(
        ("kill -9", "TERM", "CLIENT KILL", "SCRIPT FLUSH", "CLIENT PAUSE", "restart of Redis", "kill -9 of Redis"),
        (8, 4, 4, 2, 1, 1, 1),
    )[0]
    victims = [worker for worker in workers.workers if worker is not elder]
    if fault == "kill -9":
        workers.kill(chance.choice(victims))
        workers.start(SOAK=str(runs))
    elif fault == "TERM":
        victim = chance.choice(victims)
        victim.child.wait_for("ready")  # before that nobody heeds a TERM
        victim.signal(signal.SIGTERM)
        assert victim.child.wait(40) == 0, victim.child.output()
        workers.dismiss(victim)
        workers.start(SOAK=str(runs))
    elif fault == "CLIENT KILL":
        redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    elif fault == "SCRIPT FLUSH":
        redis.script_flush()
    elif fault == "CLIENT PAUSE":
        redis.execute_command("CLIENT", "PAUSE", 500, "ALL")
    elif fault == "restart of Redis":
        own.stop()
        own.start()
    else:
        own.kill()
        own.start()
    return fault
