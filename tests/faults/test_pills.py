"""Jobs that end their process: recovered, and after three deaths in the dead set. Their neighbours are spared."""

import json
import time
from collections.abc import Callable

import pytest
import redis as redis_py

import fastkiq
from faults.lab.books import account, leftovers
from faults.lab.crew import Crew
from faults.lab.kills import repeats
from faults.lab.ledger import Ledger
from faults.lab.results import record
from faults.lab.scale import scaled
from servers import wait_until

NewCrew = Callable[..., Crew]


@pytest.mark.timeout(180)
@pytest.mark.parametrize("how", ["segfault", "exit", "memory"])
def test_a_killer_is_stopped_and_its_neighbours_all_run(
    crew: NewCrew, redis_url: str, redis: redis_py.Redis, ledger: Ledger, how: str
) -> None:
    """Running ones, prefetched ones, coroutines; with one worker at a time, so that all of them share each death."""
    client = fastkiq.Client(redis_url)
    neighbours = set(range(100, 100 + scaled(60, 300)))
    numbers = iter(sorted(neighbours))
    client.push_bulk("app.Work", [(next(numbers), 0.4) for _ in range(6)])
    client.push_bulk("app.AsyncWork", [(next(numbers), 0.4) for _ in range(6)])
    client.push("app.Killer", 0, how)
    client.push_bulk("app.Work", [(number, 0.002) for number in numbers])
    workers = crew(redis_url, "-c", "8")
    deaths = 0
    while not redis.zcard("dead"):
        worker = workers.start()
        wait_until(lambda worker=worker: not worker.is_running or redis.zcard("dead"), 30, "a death, or the end")
        if not worker.is_running:
            deaths += 1
            assert worker.child.wait() == {"segfault": -11, "exit": 17, "memory": -9}[how]
            workers.dismiss(worker)
        assert deaths <= 3
    wait_until(lambda: neighbours <= ledger.read().ended, 30, "the neighbours")
    wait_until(lambda: not leftovers(redis), 10, "empty flights")
    (dead,) = map(json.loads, redis.zrange("dead", 0, -1))
    assert (dead["args"][0], dead["error_class"]) == (0, "fastkiq.PoisonPill")
    assert "three times" in dead["error_message"]
    assert len(ledger.runs[0, 0]) == 3
    account(redis, ledger, neighbours).assert_sound()
    wait_until(lambda: redis.hlen("fastkiq:suspects") == 0, 10, "no suspects")
    wait_until(lambda: "three processes died" in workers.workers[-1].child.output(), 5, "a line in the log")
    workers.stop()
    record(
        f"a job that kills its process ({how})",
        faults=deaths,
        jobs=len(neighbours) + 1,
        lost=0,
        pills=1,
        twice=len(ledger.repeated()),
    )


@pytest.mark.timeout(120)
def test_25_long_jobs_recovered_together_run_together(
    crew: NewCrew, redis_url: str, redis: redis_py.Redis, ledger: Ledger
) -> None:
    """A first death makes each of them a suspect, and a suspect alone is no reason to run one by one."""
    workers = crew(redis_url, "-c", "25")
    fastkiq.Client(redis_url).push_bulk("app.Patient", [(number, 2.0) for number in range(25)])
    first = workers.start()
    wait_until(lambda: len(ledger.read().running()) == 25, 15, "25 begun")
    workers.kill(first)
    workers.start()
    started = time.monotonic()
    wait_until(lambda: len(ledger.read().ended) == 25, 20, "25 ended")
    took = time.monotonic() - started
    runs = [runs[-1] for runs in ledger.runs.values()]
    together = max(run.begun for run in runs) < min(run.ended or 0 for run in runs)
    wait_until(lambda: redis.hlen("fastkiq:suspects") == 0, 5, "no suspects")
    assert not repeats(ledger, workers.deaths).unexcused
    workers.stop()
    record("25 long jobs recovered together", faults=1, jobs=25, lost=0, twice=25, seconds=took)
    assert together, "they ran one after another"


@pytest.mark.timeout(60)
def test_a_stop_is_no_death(crew: NewCrew, redis_url: str, redis: redis_py.Redis, ledger: Ledger) -> None:
    """However often a deploy pushes a suspect back."""
    jid = fastkiq.Client(redis_url).push("app.Patient", 0, 60)
    workers = crew(redis_url, "-c", "2", "-t", "0.1")
    first = workers.start()
    wait_until(lambda: len(ledger.read().runs[0, 0]) == 1, 10, "begun")
    workers.kill(first)  # from here on the job is suspect
    for turn in range(2, 7):
        current = workers.start()
        wait_until(lambda turn=turn: len(ledger.read().runs[0, 0]) == turn, 15, "begun again")
        assert current.stop() == 0
        workers.dismiss(current)
    assert redis.zcard("dead") == 0
    assert jid.encode() in redis.lindex("queue:default", -1)
    assert redis.hget("fastkiq:suspects", jid).startswith(b"1:0:")
