"""Wall clocks that jump by an hour or are 30 s off: leases, delays and retries do not mind."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from subprocess import PIPE
from textwrap import dedent

import pytest
import redis as redis_py

import fastkiq
from children import clean_environment
from conftest import IN_CI
from faults.lab.books import settle
from faults.lab.clock import WallClock, library
from faults.lab.crew import Crew, need_namespace
from faults.lab.ledger import Ledger
from faults.lab.load import Load
from faults.lab.results import record
from faults.lab.scale import dice, scaled
from servers import Server, wait_until

NewCrew = Callable[..., Crew]
NewClock = Callable[..., WallClock]

HOUR, DAY = 3600.0, 86_400.0
LATEST = scaled(1.5, 1.0)
"""Seconds that a job may begin after its time; the short form has other tests beside it."""
EARLIEST = scaled(-0.01, -0.05)
"""And before it: by half of the trip that told Redis's clock, which is long where the machine is busy."""
DEATHS = ("is dead", "taken for dead")


@pytest.fixture
def clock(tmp_path: Path) -> NewClock:
    """`clock(name, ahead=0)`: a wall clock for children."""
    if library() is None:
        why = "wall clocks are shifted by a preloaded library: Linux and a C compiler"
        pytest.fail(why) if IN_CI and sys.platform == "linux" else pytest.skip(why)
    return lambda name, ahead=0.0: WallClock(tmp_path, name, ahead)


PRODUCER = """
    import json, sys, time
    import fastkiq

    plain = fastkiq.Client()
    config = fastkiq.Config(redis_url=plain.config.redis_url)

    @config.client_middleware.add
    def passes(worker, payload):
        yield

    wrapped = fastkiq.Client(config=config)
    for line in sys.stdin:
        number, delay = json.loads(line)
        client = wrapped if number % 2 else plain
        before = time.monotonic_ns()
        client.push("app.Work", number, 0, in_=delay)
        print(json.dumps([number, before, time.monotonic_ns(), time.time()]), flush=True)
"""


class Producer:
    """A long-lived child that enqueues `app.Work` when told to."""

    def __init__(self, folder: Path, url: str, clock: WallClock) -> None:
        (folder / "producer.py").write_text(dedent(PRODUCER))
        environment = clean_environment({"FASTKIQ_REDIS_URL": url, **clock.environment})
        command = [sys.executable, "producer.py"]
        self._child = subprocess.Popen(command, cwd=folder, env=environment, stdin=PIPE, stdout=PIPE, text=True)
        self.pushed: dict[int, tuple[int, int, float]] = {}
        """Job -> steady nanoseconds before and after the push, and the delay."""
        self.wall = 0.0
        """Its wall clock at the last push."""

    def push(self, number: int, delay: float) -> None:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.write(json.dumps([number, delay]) + "\n")
        self._child.stdin.flush()
        told, before, after, self.wall = json.loads(self._child.stdout.readline())
        assert told == number
        self.pushed[number] = (before, after, delay)

    def close(self) -> None:
        with self._child:
            self._child.kill()


def lateness(ledger: Ledger, pushed: dict[int, tuple[int, int, float]]) -> list[float]:
    """Seconds from each job's due time to its first run, ascending; negative = too early."""
    begun: dict[int, int] = {}
    for run in ledger.read().all_runs():
        begun[run.job] = min(run.begun, begun.get(run.job, run.begun))
    late = []
    for number, (before, after, delay) in pushed.items():
        too_early = min(0.0, (begun[number] - before) / 1e9 - delay)
        late.append(too_early or max(0.0, (begun[number] - after) / 1e9 - delay))
    return sorted(late)


def retry_waits(ledger: Ledger) -> list[float]:
    """Seconds from each failure to the run that followed, ascending."""
    ends = {run.job: run.ended for run in ledger.all_runs() if run.attempt == 0 and run.failed}
    begins = {run.job: run.begun for run in ledger.all_runs() if run.attempt == 1}
    return sorted((begins[job] - end) / 1e9 for job, end in ends.items() if end and job in begins)


def assert_nobody_died(workers: Crew) -> None:
    for worker in workers.workers:
        output = worker.child.output()
        assert not any(words in output for words in (*DEATHS, "Traceback", "panicked")), output


def test_the_laboratory_s_clock_jumps(tmp_path: Path, redis_url: str, redis: redis_py.Redis, clock: NewClock) -> None:
    """Python and Rust see it, a steady clock does not."""
    wall = clock("check")
    producer = Producer(tmp_path, redis_url, wall)
    for number, ahead in enumerate((0.0, HOUR, -HOUR)):
        wall.set(ahead)
        since = time.monotonic_ns()
        producer.push(number, 60)
        before, after, _ = producer.pushed[number]
        assert since < before < after < time.monotonic_ns()
        assert producer.wall == pytest.approx(time.time() + ahead, abs=1)
        (payload,) = (job for job in redis.zrange("schedule", 0, -1) if json.loads(job)["args"][0] == number)
        assert json.loads(payload)["created_at"] / 1e3 == pytest.approx(time.time() + ahead, abs=1)
    producer.close()


@pytest.mark.timeout(180)
def test_a_worker_s_clock_jumps_under_load(
    crew: NewCrew, server: Server, redis: redis_py.Redis, ledger: Ledger, tmp_path: Path, clock: NewClock
) -> None:
    """A day as well: a job that ends meanwhile is counted on the day that Redis's clock says."""
    chance = dice("clock of a worker")
    walls = [clock(f"jumping-{number}") for number in range(2)]
    workers = crew(server.url, "-c", "5")
    for wall in walls:
        workers.start(**wall.environment)
    workers.ready()
    producer = Producer(tmp_path, server.url, clock("true"))
    days = {datetime.now(UTC).date().isoformat()}
    load = Load(server.url, chance.randrange(10**9), backlog=60)
    load.done = lambda: len(ledger.read().ended)
    load.start()
    jumps = 0
    delayed = []
    try:
        wait_until(lambda: load.done() > 50, 20, "some work")
        until = time.monotonic() + scaled(2.5, 60)
        while time.monotonic() < until:
            producer.push(number := 1_000_000 + jumps, chance.uniform(1, 3))
            delayed.append(number)
            chance.choice(walls).set(chance.choice((0.0, HOUR, -HOUR, DAY, -DAY)))
            jumps += 1
            time.sleep(chance.uniform(0.05, 0.3))
    finally:
        jobs = load.stop()
    found = settle(redis, ledger, jobs | set(delayed))
    days.add(datetime.now(UTC).date().isoformat())
    late = lateness(ledger, producer.pushed)
    retried = retry_waits(ledger)
    producer.close()
    assert_nobody_died(workers)
    workers.stop()
    record(
        "jumps of workers' clocks by an hour or a day",
        faults=jumps,
        jobs=found.jobs,
        lost=len(found.lost),
        twice=len(ledger.repeated()),
        earliest_s=late[0],
        latest_s=late[-1],
        latest_retry_s=retried[-1] - 0.1,
    )
    assert not ledger.repeated()
    assert EARLIEST < late[0] <= late[-1] < LATEST
    assert retried[0] > 0.09
    assert retried[-1] < 0.1 + 3  # a poll, and a machine that is busy
    counted = {key.decode().rsplit(":", 1)[1] for key in redis.scan_iter("stat:processed:*")}
    assert counted <= days


@pytest.mark.timeout(60)
@pytest.mark.parametrize("jump", [(30, 30), (-30, -30), (0, HOUR), (0, -HOUR)])
def test_a_producer_s_delays_are_right(
    crew: NewCrew,
    server: Server,
    redis: redis_py.Redis,
    ledger: Ledger,
    tmp_path: Path,
    clock: NewClock,
    jump: tuple[float, float],
) -> None:
    first, second = jump
    wall = clock("producer", first)
    workers = crew(server.url, "-c", "5")
    workers.start()
    workers.ready()
    producer = Producer(tmp_path, server.url, wall)
    numbers = range(12)
    for number in numbers:
        if number == 4:
            wall.set(second)
        if number == 8:
            wall.set(first)
        producer.push(number, 1.5)
    found = settle(redis, ledger, set(numbers))
    late = lateness(ledger, producer.pushed)
    producer.close()
    workers.stop()
    record(
        f"a producer's clock {first:+.0f} s off, then {second:+.0f} s",
        faults=1 if first == second else 2,
        jobs=found.jobs,
        lost=len(found.lost),
        earliest_s=late[0],
        latest_s=late[-1],
    )
    assert EARLIEST < late[0] <= late[-1] < LATEST


@pytest.mark.timeout(60)
def test_workers_with_skewed_clocks_do_not_steal(
    crew: NewCrew, server: Server, redis: redis_py.Redis, ledger: Ledger, tmp_path: Path, clock: NewClock
) -> None:
    """Each seems to run on a host of its own. Nobody dies of another's clock, and a real death is noticed in time."""
    need_namespace()
    lease = 2.0
    workers = crew(server.url, "-c", "2", lease=lease)
    walls = [clock(f"host-{ahead}", ahead) for ahead in (0.0, 30.0, -30.0)]
    for wall in walls:
        workers.start(elsewhere=True, **wall.environment)
    workers.ready()
    with server.client() as own:
        client = fastkiq.Client(server.url)
        client.push_bulk("app.Patient", [(number, 1.5 * lease) for number in range(6)])
        wait_until(lambda: len(ledger.read().running()) == 6, 10, "all of them running")
        time.sleep(1.2 * lease)  # beyond a lease, and nothing has moved
        assert len(list(ledger.read().all_runs())) == 6
        wait_until(lambda: len(ledger.read().ended) == 6, 10, "their ends")
        assert not ledger.repeated()
        assert_nobody_died(workers)
        client.push_bulk("app.Patient", [(number, 1.0) for number in range(6, 12)])
        wait_until(lambda: len(ledger.read().running()) == 6, 10, "all of them running")
        death = workers.kill(workers.workers[1])
        found = settle(own, ledger, set(range(12)))
    waits = [(again.begun - death.gone) / 1e9 for run, again in ledger.repeated() if run.worker == death.worker]
    workers.stop()
    record(
        "hosts 30 s ahead and 30 s behind", faults=3, jobs=found.jobs, lost=0, recovered=len(waits), most_s=max(waits)
    )
    assert len(waits) == 2
    assert lease - lease / 6 < min(waits)
    assert max(waits) < lease + 10


@pytest.fixture
def clocked_server(
    start_server: Callable[..., Server], clock: NewClock, monkeypatch: pytest.MonkeyPatch
) -> tuple[Server, WallClock]:
    """A Redis and its clock."""
    wall = clock("redis")
    with monkeypatch.context() as environment:
        for name, value in wall.environment.items():
            environment.setenv(name, value)
        server = start_server()
    return server, wall


@pytest.mark.timeout(180)
@pytest.mark.both_servers
def test_redis_s_own_clock_jumps_under_load(
    crew: NewCrew, clocked_server: tuple[Server, WallClock], ledger: Ledger, tmp_path: Path, clock: NewClock
) -> None:
    """Nobody dies of it. What was pushed before is due by Redis's clock, what is pushed after it is right.

    A connection learns of a step by its first delayed push after it, and corrects that one. After a step forward the
    job is due at once until then, so that a scheduler may be faster.
    """
    server, wall = clocked_server
    workers = crew(server.url, "-c", "5")
    for _ in range(2):
        workers.start()
    workers.ready()
    producer = Producer(tmp_path, server.url, clock("true"))
    load = Load(server.url, 3, backlog=60)
    load.done = lambda: len(ledger.read().ended)
    with server.client() as redis:
        try:
            load.start()
            wait_until(lambda: load.done() > 50, 20, "some work")
            producer.push(2_000_000, 1800)
            producer.pushed.clear()
            delayed = [2_000_000]
            jumps = scaled(2, 24)
            for number in range(jumps):
                wall.set(0 if number % 2 else HOUR)
                for one in range(3):
                    delayed.append(1_000_000 + 10 * number + one)
                    # Due before the next jump, by a clock that stands still until then.
                    producer.push(delayed[-1], 0.7)
                if number == 0:
                    wait_until(lambda: 2_000_000 in ledger.read().ended, 5, "what was due in half an hour")
                time.sleep(1.5)
        finally:
            wall.set(HOUR)  # so that nothing of the load waits for an hour
            jobs = load.stop()
        found = settle(redis, ledger, jobs | set(delayed))
    late = lateness(ledger, producer.pushed)
    early = sum(seconds < -0.35 for seconds in late)  # at once, instead of after 0.7 s
    producer.close()
    assert_nobody_died(workers)
    workers.stop()
    record(
        "jumps of Redis's clock by an hour",
        server=server.family,
        faults=jumps + 1,
        jobs=found.jobs,
        lost=len(found.lost),
        twice=len(ledger.repeated()),
        early=early,
        latest_s=late[-1],
    )
    assert not ledger.repeated()
    assert early <= jumps  # two connections, and half of the steps go forward
    assert not any(-0.35 <= seconds < EARLIEST for seconds in late)
    assert late[-1] < LATEST
