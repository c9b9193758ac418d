"""A Redis without room (`maxmemory`, noeviction): pushes are refused, each by its own error; the drain makes room."""

import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable

import pytest

import fastkiq
from faults.lab.books import settle
from faults.lab.crew import Crew
from faults.lab.ledger import Ledger
from faults.lab.load import QUEUES
from faults.lab.results import record
from faults.lab.scale import dice, scaled
from faults.lab.usage import Usage
from servers import Server, wait_until

NewCrew = Callable[..., Crew]
NUMBERS = itertools.count()
BULKY = {"tags": ["x" * 300]}
"""An option that makes a payload larger and no job slower."""


class Producer:
    """Pushes numbered jobs of all kinds as fast as Redis takes them; knows of each whether it was taken."""

    def __init__(self, url: str, seed: int, stop: threading.Event) -> None:
        self._client, self._random, self._stop = fastkiq.Client(url), random.Random(seed), stop
        self.pushed: set[int] = set()
        self.refused: set[int] = set()
        self.errors: Counter[str] = Counter()
        self.partial = 0
        """Bulk pushes that were taken in part."""
        self.unaccounted = 0
        """Rows of a bulk push that its error did not account for."""
        self.thread = threading.Thread(target=self._run, name=f"producer {seed}")
        self.thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            if not self._random.choice([self._one, self._later, self._bulk])():
                self._stop.wait(0.05)  # a caller that is refused takes a breath

    def _kind(self) -> str:
        return "app." + self._random.choice(["Work", "Work", "AsyncWork", "Flaky"])

    def _one(self, **when: float) -> bool:
        number = next(NUMBERS)
        try:
            self._client.push(self._kind(), number, 0.002, queue=self._random.choice(QUEUES), **when, **BULKY)
        except fastkiq.errors.RedisError as error:
            self.errors[type(error).__name__] += 1
            self.refused.add(number)
            return False
        self.pushed.add(number)
        return True

    def _later(self) -> bool:
        return self._one(in_=self._random.uniform(0.05, 1.0))

    def _bulk(self) -> bool:
        """Several round trips, so that Redis may fill up between two of them."""
        rows = [(next(NUMBERS), 0.002) for _ in range(self._random.randrange(2, 3000))]
        taken = {number for number, _ in rows}
        try:
            self._client.push_bulk(self._kind(), rows, queue=self._random.choice(QUEUES), **BULKY)
        except fastkiq.errors.RedisError as error:
            self.errors[type(error).__name__] += 1
            rest = {number for number, _ in error.rest}
            self.unaccounted += len(rows) - len(error.pushed) - len(rest)
            self.partial += bool(error.pushed)
            self.refused |= rest
            self.pushed |= taken - rest
            return False
        self.pushed |= taken
        return True


@pytest.mark.timeout(300)
def test_workers_make_room_while_producers_are_refused(
    crew: NewCrew, start_server: Callable[..., Server], ledger: Ledger
) -> None:
    chance = dice("full")
    own = start_server("maxmemory-policy noeviction", "appendonly yes")
    workers = crew(own.url, "-c", "5")
    for _ in range(2):
        workers.start()
    workers.ready()
    stop = threading.Event()
    with own.client() as redis:
        redis.config_set("maxmemory", redis.info("memory")["used_memory"] + scaled(1_500_000, 6_000_000))
        producers = [Producer(own.url, chance.randrange(10**9), stop) for _ in range(4)]
        try:
            wait_until(lambda: all(producer.refused for producer in producers), 20, "a full Redis")
            before = len(ledger.read().ended)
            begun = time.monotonic()
            time.sleep(scaled(3, 30))
            drained = len(ledger.read().ended) - before
            seconds = time.monotonic() - begun
        finally:
            stop.set()
            for producer in producers:
                producer.thread.join(30)
        pushed = set().union(*(producer.pushed for producer in producers))
        refused = set().union(*(producer.refused for producer in producers))
        errors = sum((producer.errors for producer in producers), Counter[str]())
        found = settle(redis, ledger, pushed, 90)
        again = fastkiq.Client(own.url).push_bulk("app.Work", [(number, 0) for number in (-1, -2, -3)], **BULKY)
        assert len(again) == 3
        wait_until(lambda: {-1, -2, -3} <= ledger.read().ended, 10, "jobs that came when there was room again")
    outputs = "".join(worker.child.output() for worker in workers.workers)
    workers.stop()
    record(
        "Redis full, noeviction",
        faults=1,
        seconds=seconds,
        jobs=found.jobs,
        lost=len(found.lost),
        twice=len(ledger.repeated()),
        refused=len(refused),
        refusals=sum(errors.values()),
        bulk_taken_in_part=sum(producer.partial for producer in producers),
        drained_a_second=drained / seconds,
        retried=len({job for job, attempt in ledger.runs if attempt}),
    )
    assert not any(producer.unaccounted for producer in producers)
    assert set(errors) == {"RedisOutOfMemoryError"}
    assert not refused & (pushed | {job for job, _ in ledger.runs}), "a push that was refused took place"
    assert not found.waiting["dead"]
    assert drained > 100 * seconds, "the drain did not go on"
    assert not ledger.repeated()
    assert "taken for dead" not in outputs, outputs


@pytest.mark.timeout(60)
def test_idle_workers_on_a_full_redis_stay_calm_and_ready(
    crew: NewCrew, start_server: Callable[..., Server], ledger: Ledger
) -> None:
    """Somebody else's data fill it. To wait for a queue is a write in Redis's eyes, and refused."""
    own = start_server("maxmemory-policy noeviction")
    workers = crew(own.url, "-c", "5")
    client = fastkiq.Client(own.url)
    with own.client() as redis:
        redis.set("ballast", "x" * 1_000_000)
        redis.config_set("maxmemory", redis.info("memory")["used_memory"] - 200_000)
        with pytest.raises(fastkiq.errors.RedisOutOfMemoryError):
            client.push("app.Work", 1, 0)
        worker = workers.start()
        workers.ready()
        time.sleep(0.5)
        usage, commands = Usage([worker.pid]), redis.info("stats")["total_commands_processed"]
        time.sleep(2)
        cpu, rate = usage.cpu(), (redis.info("stats")["total_commands_processed"] - commands) / 2
        redis.delete("ballast")
        begun = time.monotonic()
        client.push("app.Work", 2, 0)
        wait_until(lambda: 2 in ledger.read().ended, 10, "the job")
        seconds = time.monotonic() - begun
    output = worker.child.output()
    workers.stop()
    record("Redis full and nothing to do", faults=1, jobs=1, lost=0, cpu_share=cpu, commands=rate, resumed_s=seconds)
    assert cpu < 0.1
    assert rate < 200
    assert seconds < 2
    assert output.count("Redis refuses") <= 2, output
