"""A rolling upgrade: two versions side by side on one Redis, and what each does with what the other has left."""

import json
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import redis as redis_py

import fastkiq
from faults.lab import previous, recording
from faults.lab.books import leftovers, settle
from faults.lab.crew import Crew, Worker, own_namespace
from faults.lab.kills import Held, held, percentile, repeats, waits
from faults.lab.ledger import Ledger
from faults.lab.load import Load
from faults.lab.results import record
from faults.lab.scale import LONG, dice
from servers import Server, wait_until

NewCrew = Callable[..., Crew]
RECORDED = json.loads((Path(__file__).parent / "recordings" / "schema-1.json").read_text())


@pytest.mark.timeout(60)
@pytest.mark.parametrize("schema", ["1", None])
def test_what_the_schema_before_has_left_is_run(
    crew: NewCrew, redis_url: str, redis: redis_py.Redis, ledger: Ledger, schema: str | None
) -> None:
    """Byte for byte as that version wrote it: flights, suspects, a tomb, retry, schedule. No schema means the first."""
    recording.load(redis, RECORDED)
    if schema is None:
        for key in redis.scan_iter("fastkiq:process:*"):
            redis.hdel(key, "schema")
    for name in ("retry", "schedule"):
        redis.zadd(name, dict.fromkeys(redis.zrange(name, 0, -1), 0), xx=True)  # due now
    workers = crew(redis_url, "-c", "5")
    begun = time.monotonic()
    workers.start()
    found = settle(redis, ledger, recording.JOBS, 30)
    seconds = time.monotonic() - begun
    assert found.ended == len(recording.JOBS)
    assert not ledger.repeated()
    wait_until(lambda: not redis.exists("fastkiq:suspects"), 5, "no suspects any more")
    assert len(redis.zrange("fastkiq:alive", 0, -1)) == 1
    workers.stop()
    record("what the schema before has left", faults=2, jobs=found.jobs, lost=len(found.lost), seconds=seconds)


def identity(redis: redis_py.Redis, worker: Worker) -> str:
    pid = 1 if worker.elsewhere else worker.pid
    names = [name.decode() for name in redis.zrange("fastkiq:alive", 0, -1)]
    (mine,) = [name for name in names if name.split(":")[1] == str(pid)]
    return mine


@pytest.mark.timeout(90)
def test_what_a_newer_schema_has_left_waits_for_its_own_version(
    crew: NewCrew, redis_url: str, redis: redis_py.Redis, ledger: Ledger
) -> None:
    """Of three dead processes: one is provably gone, one has let its lease run out, one is fenced already."""
    workers = crew(redis_url, "-c", "2")
    newer = [workers.start(), workers.start(elsewhere=own_namespace() is not None)]
    workers.ready()
    client = fastkiq.Client(redis_url)
    names = [identity(redis, worker) for worker in newer]
    for name in names:
        redis.hset(f"fastkiq:process:{name}", "schema", "2")
    client.push("app.Work", 100, 0)
    wait_until(lambda: 100 in ledger.read().ended, 5, "its own claims do not care")
    client.push_bulk("app.Work", [(number, 0.5) for number in range(4)])
    wait_until(lambda: len(ledger.read().running()) == 4, 5, "all places taken")
    for worker in newer:
        worker.signal(signal.SIGSTOP)
    redis.hset("fastkiq:process:vm:7:fenced", mapping={"schema": "2", "queues": "default", "machine": "x", "lease": 1})
    payload = RECORDED["fastkiq:flight:vm:15112:a52a1db380bc:default:0"][1][0]
    redis.rpush("fastkiq:flight:vm:7:fenced:default:1", payload.replace("[1,", "[50,"))
    redis.sadd("fastkiq:flights:vm:7:fenced", "default:1")
    redis.zadd("fastkiq:tombs", {"vm:7:fenced": redis.time()[0] - 2 * 86_400})
    for worker in newer:
        workers.kill(worker)
    before = leftovers(redis)
    older = [workers.start(), workers.start()]
    workers.ready()
    ready = time.monotonic()
    client.push_bulk("app.Work", [(number, 0) for number in range(200, 220)])
    wait_until(lambda: set(range(200, 220)) <= ledger.read().ended, 5, "work beside it")
    # Within 2 s a death of this machine is found, within lease and a beat any other one.
    time.sleep(max(0.0, ready + 5.5 - time.monotonic()))
    assert [key for key in leftovers(redis) if key in before] == before, "it was touched"
    assert set(names) <= {name.decode() for name in redis.zrange("fastkiq:alive", 0, -1)}, "it was fenced"
    assert redis.zscore("fastkiq:tombs", "vm:7:fenced") is not None
    for worker in older:
        assert worker.child.output().count("schema 2") == 1, worker.child.output()
    for name in [*names, "vm:7:fenced"]:
        redis.hset(f"fastkiq:process:{name}", "schema", "1")  # as if they were of the version that knows it
    redis.zadd("fastkiq:tombs", {"vm:7:fenced": redis.time()[0]})
    jobs = {0, 1, 2, 3, 50}
    found = settle(redis, ledger, jobs, 20)
    workers.stop()
    record("a newer schema beside an older one", faults=3, jobs=len(jobs) + 21, lost=len(found.lost))


@pytest.mark.skipif(not LONG, reason="builds the previous version with cargo; FASTKIQ_LONG=1")
@pytest.mark.timeout(1200)
def test_two_versions_run_and_recover_what_the_other_has_left(
    crew: NewCrew, server: Server, redis: redis_py.Redis, ledger: Ledger
) -> None:
    site = previous.site()
    chance = dice("versions")
    workers = crew(server.url, "-c", "10")
    version_of: dict[str, str] = {}

    def start(version: str) -> None:
        worker = workers.start(**({"PYTHONPATH": str(site)} if version == "before" else {}))
        version_of[worker.name] = version

    for version in ("before", "now", "before", "now"):
        start(version)
    workers.ready()
    for worker in workers.workers:
        loaded = str(site) in Path(f"/proc/{worker.pid}/maps").read_text()
        assert loaded == (version_of[worker.name] == "before"), "the wrong version runs"
    load = Load(server.url, chance.randrange(10**9))
    load.done = lambda: len(ledger.ended)
    load.start()
    helds: list[Held] = []
    try:
        for _ in range(60):
            time.sleep(chance.uniform(0.05, 0.6))
            ledger.read()
            victim = chance.choice(workers.workers)
            helds.append(held(redis, workers.kill(victim)))
            start(version_of[victim.name])
    finally:
        jobs = load.stop()
    found = settle(redis, ledger, jobs)
    again = repeats(ledger, workers.deaths)
    workers.stop()
    passed = Counter(
        f"{version_of[first.worker]} -> {version_of[second.worker]}" for first, second in ledger.repeated()
    )
    retried = Counter(
        f"{version_of[runs[-1].worker]} -> {version_of[ledger.runs[job, 1][0].worker]}"
        for (job, attempt), runs in ledger.runs.items()
        if attempt == 0 and (job, 1) in ledger.runs
    )
    delays = waits(ledger, helds)
    record(
        "two versions side by side, kill -9 of both",
        faults=len(workers.deaths),
        jobs=found.jobs,
        lost=len(found.lost),
        twice=again.twice,
        recovered=dict(passed),
        retried=dict(retried),
        p50_s=percentile(delays, 0.5),
        p99_s=percentile(delays, 0.99),
        most_s=percentile(delays, 1),
        by_version=dict(Counter(version_of[run.worker] for run in ledger.all_runs())),
    )
    assert not again.unexcused, again.unexcused[:10]
    for way in ("before -> now", "now -> before"):
        assert passed[way], "no interrupted job passed from one version to the other"
        assert retried[way], "no failed job passed from one version to the other"
