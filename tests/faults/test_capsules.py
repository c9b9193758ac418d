"""Processes of several capsules: a kill, a freeze or an outage meets all of them, and no job is lost."""

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis as redis_py

import fastkiq
from faults.lab.books import settle
from faults.lab.crew import Crew
from faults.lab.kills import repeats
from faults.lab.ledger import Ledger
from faults.lab.load import Load
from faults.lab.scale import dice, scaled
from servers import Server, wait_until

NewCrew = Callable[..., Crew]

SETTINGS = """
lease = 2.0
concurrency = 4
capsules.first = { queues = ["critical", "low"], concurrency = 2 }
capsules.second = { queues = [["low", 3], ["default", 1], ["critical", 2]], concurrency = 3 }
capsules.serial = { queues = ["low"], concurrency = 1 }
"""


def capsules(crew: NewCrew, folder: Path, url: str, *options: str) -> Crew:
    """Four of them in each process, of which three or four share each queue, in strict and in weighted order."""
    file = folder / "capsules.toml"
    file.write_text(SETTINGS)
    return crew(url, "-C", str(file), *options, lease=None)


@pytest.mark.timeout(300)
def test_faults_of_all_kinds(
    crew: NewCrew, start_server: Callable[..., Server], ledger: Ledger, tmp_path: Path
) -> None:
    chance = dice("capsules")
    server = start_server("appendonly yes", "appendfsync always")
    workers = capsules(crew, tmp_path, server.url)
    for _ in range(2):
        workers.start()
    workers.ready()
    load = Load(server.url, chance.randrange(10**9))
    load.done = lambda: len(ledger.ended)
    load.start()
    try:
        for number in range(scaled(8, 80)):
            time.sleep(chance.uniform(0.05, 0.4))
            ledger.read()
            victim = chance.choice(workers.workers)
            match number % 4:
                case 0 | 2:
                    workers.kill(victim)
                    workers.start()
                case 1:
                    with server.client() as redis:
                        redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
                case _:
                    victim.signal(signal.SIGTERM)
                    victim.child.wait(40)
                    workers.dismiss(victim)
                    workers.start()
        server.kill()
        server.start()
    finally:
        jobs = load.stop()
    with server.client() as redis:
        settle(redis, ledger, jobs)
        workers.stop()
        again = repeats(ledger, workers.deaths)
        assert not redis.zcard("fastkiq:alive")
        assert not redis.exists("processes")
    assert not again.unexcused, again.unexcused[:10]


def test_a_process_that_was_frozen_does_not_take_its_own_capsules_for_dead(
    crew: NewCrew, redis_url: str, redis: redis_py.Redis, ledger: Ledger, tmp_path: Path
) -> None:
    """Nobody else is there who could have: what it runs goes on, and runs once."""
    workers = capsules(crew, tmp_path, redis_url)
    worker = workers.start()
    workers.ready()
    client = fastkiq.Client(redis_url)
    for number, queue in enumerate(("critical", "default", "low") * 3):
        client.push("app.Patient", number, 5, queue=queue)
    wait_until(lambda: len(ledger.read().running()) == 9, 10, "nine begun")
    time.sleep(1)
    worker.signal(signal.SIGSTOP)
    time.sleep(2.5)  # the lease and more
    worker.signal(signal.SIGCONT)
    settle(redis, ledger, set(range(9)))
    workers.stop()
    assert "taken for dead" not in worker.child.output()
    assert not list(ledger.repeated())
