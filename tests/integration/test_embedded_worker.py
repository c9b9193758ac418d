"""Real workers on the embedded server: who enqueues and who works meet in one folder, also when it is killed."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis as redis_py

from children import Child, clean_environment, fastkiq
from embedded_kit import free, gone, own_folder, server_pid, supervisor_pid
from fastkiq import embedded
from servers import wait_until

APP = """\
import time
import fastkiq
from fastkiq import embedded
from redis import Redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

tally = Redis.from_url(embedded.ensure(), retry=Retry(ConstantBackoff(0.05), 200))

class Mark(fastkiq.Worker):
    def perform(self, number):
        tally.sadd("marked", number)
        time.sleep(0.002)
"""
ENQUEUE = "import app; app.Mark.perform_bulk((n,) for n in range({count})); print('enqueued')"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "app.py").write_text(APP)
    with own_folder(tmp_path) as path:
        yield path


@pytest.fixture
def child(folder: Path) -> Iterator[Callable[..., Child]]:
    children: list[Child] = []

    def start(*arguments: str) -> Child:
        steering = {
            "FASTKIQ_REDIS_URL": "embedded",
            "FASTKIQ_EMBEDDED_DIR": str(folder),
            "FASTKIQ_EMBEDDED_LINGER": "1",
        }
        children.append(Child(arguments, folder.parent, clean_environment(steering)))
        return children[-1]

    yield start
    for one in children:
        one.close()


def enqueue(child: Callable[..., Child], count: int) -> None:
    script = child(sys.executable, "-c", ENQUEUE.format(count=count))
    assert script.wait() == 0, script.output()


def marked(folder: Path) -> set[int]:
    with redis_py.Redis.from_url(embedded.ensure(folder)) as redis:
        return {int(number) for number in redis.smembers("marked")}


def test_a_worker_started_when_all_others_are_gone_finds_the_jobs(folder: Path, child: Callable[..., Child]) -> None:
    enqueue(child, 20)
    wait_until(lambda: gone(folder), 15, "the server to go with the script")
    worker = child(*fastkiq("process", "app.py", "--drain"))
    assert worker.wait() == 0, worker.output()
    assert marked(folder) == set(range(20))


@pytest.mark.parametrize("lock", ["fastkiq.lock", "server.lock"], ids=["supervisor", "server"])
def test_a_worker_outlives_the_kill_of_its_server(folder: Path, child: Callable[..., Child], lock: str) -> None:
    """The worker goes on with a new server by itself; no job is lost."""
    worker = child(*fastkiq("process", "app.py"))
    worker.wait_for("ready")
    enqueue(child, 1000)

    def marks() -> int:
        """Without `ensure`: only the worker may heal it."""
        try:
            with redis_py.Redis(unix_socket_path=str(folder / "valkey.sock")) as redis:
                return int(redis.scard("marked"))
        except redis_py.ConnectionError:
            return 0

    for goal in (100, 300):
        wait_until(lambda goal=goal: marks() >= goal, 20, f"{goal} jobs")
        wait_until(lambda: not free(folder / lock), 10, "an owner")
        os.kill(supervisor_pid(folder) if lock == "fastkiq.lock" else server_pid(folder), signal.SIGKILL)
    wait_until(lambda: marks() == 1000, 40, "all jobs")
    assert worker.stop() == 0, worker.output()
