"""Real worker processes on a private server, and a queue that is filled at once when they are ready."""

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis
from lab.process import Child, fine_cpu_seconds, run
from lab.server import PrivateServer, Usage

from servers import wait_until

JOBS = Path(__file__).with_name("jobs.py")
QUEUE, ASIDE = "queue:default", "scaling:aside"


@dataclass
class Drained:
    """What it took to run a queue empty."""

    jobs: int
    seconds: float
    """From the first to the last job's own execution."""
    redis: Usage
    worker_cpu: float
    """Seconds, of all worker processes."""


def pushed(python: Path, url: str, how: str, jobs: int, start: float = 0.0) -> dict[str, float]:
    """When one client process began and ended to push so many jobs, and not before `start`: CLOCK_MONOTONIC."""
    answer = run([python, JOBS, how, str(jobs), str(start)], {"FASTKIQ_REDIS_URL": url}, seconds=300)
    told: dict[str, float] = json.loads(answer)
    return told


def keep_jobs(python: Path, server: PrivateServer, jobs: int) -> None:
    """Puts a full queue into database 1, for `drain`."""
    server.flush()
    pushed(python, server.url, "bulk", jobs)
    server.client.move(QUEUE, 1)


@contextmanager
def workers(
    python: Path, server: PrivateServer, processes: int, concurrency: int, record: Path
) -> Iterator[list[Child]]:
    """So many of them, registered and waiting; they end politely, so that they can tell."""
    environment = {"FASTKIQ_REDIS_URL": server.url, "SCALING_RECORD": str(record)}
    command: list[str | Path] = [python, "-m", "fastkiq", "process", JOBS, "-c", str(concurrency)]
    with ExitStack() as stack:
        children = []
        for number in range(processes):
            child = Child(command, record / f"{number}.log", environment)
            children.append(stack.enter_context(child))

        def ready() -> bool:
            if dead := [child for child in children if not child.running]:
                raise RuntimeError(f"a worker ended: {dead[0].words()}")
            blocked: int = server.info("clients")["blocked_clients"]
            return blocked >= processes

        wait_until(ready, 60, "the workers to wait for jobs")
        yield children
        for child in children:
            child.process.terminate()
        for child in children:
            child.terminate()


def drain(
    python: Path,
    server: PrivateServer,
    processes: int,
    jobs: int,
    concurrency: int = 10,
    during: Callable[[], None] = lambda: None,
) -> Drained:
    """Lets worker processes run the kept jobs; `during` is called when they have begun."""
    server.client.flushdb(asynchronous=False)
    with redis.Redis(port=server.port, db=1) as kept, tempfile.TemporaryDirectory() as folder:
        record = Path(folder)
        with workers(python, server, processes, concurrency, record) as children:
            kept.copy(QUEUE, ASIDE, destination_db="0")
            usage, cpu = server.usage(), sum(fine_cpu_seconds(child.pid) for child in children)
            server.client.rename(ASIDE, QUEUE)
            during()
            wait_until(lambda: int(server.client.get("stat:processed") or 0) >= jobs, 300, "the end of the queue")
            used, cpu = server.usage() - usage, sum(fine_cpu_seconds(child.pid) for child in children) - cpu
        told = [json.loads(path.read_text()) for path in record.glob("*.json")]
    if not told:
        raise RuntimeError("no worker told anything")
    seconds = (max(last for _, last, _ in told) - min(first for first, _, _ in told)) / 1e9
    return Drained(jobs, seconds, used, cpu)
