"""What is measured: workers that drain a queue, clients that push, and what either costs Redis."""

import json
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab import BENCHES
from lab.floor import python as floor_python
from lab.process import fine_cpu_seconds, run
from lab.rounds import Measurement
from lab.server import PrivateServer, Usage
from scaling.workers import drain, keep_jobs, pushed, workers

CLIENT = BENCHES / "alternatives" / "child.py"
PROBE = Path(__file__).with_name("probe.py")
BATCH = 256
PROBED_BY_SECOND = 1_000_000
"""Jobs that are surely not drained within a second: so long others may be watched."""
STARTING = 0.4
"""Seconds that an interpreter may take until it is ready."""
Once = Callable[[int], Measurement]


def of_redis(used: Usage, jobs: int) -> dict[str, float]:
    """By job: CPU, commands, reads and bytes."""
    return {
        "redis_us": used.cpu / jobs * 1e6,
        "reads": used.reads / jobs,
        "received": used.received / jobs,
        "sent": used.sent / jobs,
    }


def at_once(clients: int, client: Callable[[int, float], dict[str, float]]) -> float:
    """Seconds from the first beginning to the last end of clients that are told when to begin."""
    start = time.monotonic() + STARTING * clients
    with ThreadPoolExecutor(clients) as pool:
        told = list(pool.map(lambda number: client(number, start), range(clients)))
    return max(each["ended"] for each in told) - min(each["began"] for each in told)


def draining(python: Path, server: PrivateServer, processes: int, jobs: int) -> Once:
    def once(_: int) -> Measurement:
        keep_jobs(python, server, jobs)
        found = drain(python, server, processes, jobs)
        return Measurement(
            jobs / found.seconds,
            "jobs/s",
            redis_share=found.redis.cpu / found.seconds,
            worker_us=found.worker_cpu / jobs * 1e6,
            **of_redis(found.redis, jobs),
        )

    return once


def pushing(python: Path, server: PrivateServer, clients: int, how: str, jobs: int) -> Once:
    """Each client is a process and pushes its part of the jobs."""
    part = jobs // clients

    def once(_: int) -> Measurement:
        server.flush()
        usage = server.usage()
        seconds = at_once(clients, lambda _, start: pushed(python, server.url, how, part, start))
        used = server.usage() - usage
        if (found := server.client.llen("queue:default")) != part * clients:
            raise RuntimeError(f"{found} of {part * clients} jobs are in the queue")
        return Measurement(part * clients / seconds, "jobs/s", **of_redis(used, part * clients))

    return once


def bare_pushing(server: PrivateServer, connections: int, jobs: int) -> Once:
    """LPUSH of 180 bytes by redis-benchmark, each connection waiting for its answer."""
    words = ["redis-benchmark", "-p", str(server.port), "-c", str(connections), "-n", str(jobs), "--csv"]

    def once(_: int) -> Measurement:
        server.flush()
        usage = server.usage()
        rate = run([*words, "LPUSH", "queue:default", "x" * 180]).strip().splitlines()[-1].split('","')[1]
        return Measurement(float(rate), "jobs/s", **of_redis(server.usage() - usage, jobs))

    return once


def claiming(python: Path, server: PrivateServer, clients: int, jobs: int) -> Once:
    """Clients that claim and ack with fastkiq's scripts and run nothing: how much Redis has to give."""
    part = jobs // clients

    def once(_: int) -> Measurement:
        keep_jobs(python, server, jobs)
        server.client.swapdb(0, 1)
        names = [f"client:{number}:abcdef" for number in range(clients)]
        server.client.zadd("fastkiq:alive", dict.fromkeys(names, 1.0))
        usage = server.usage()

        def client(number: int, start: float) -> dict[str, float]:
            words = [floor_python(), CLIENT, "flights", server.port, part, BATCH, names[number], start]
            told: dict[str, float] = json.loads(run([str(word) for word in words]))
            return told

        seconds = at_once(clients, client)
        used = server.usage() - usage
        share = used.cpu / seconds
        return Measurement(part * clients / seconds, "jobs/s", redis_share=share, **of_redis(used, part * clients))

    return once


def waiting(python: Path, server: PrivateServer, processes: int, jobs: int) -> Once:
    """The time that a claim of another client takes while so many processes drain as fast as they can, and the time
    for which a script holds Redis meanwhile, by its own count."""

    def probe(seconds: float) -> dict[str, float]:
        answer: dict[str, float] = json.loads(run([floor_python(), PROBE, str(server.port), str(seconds)]))
        return answer

    def once(_: int) -> Measurement:
        if processes == 0:
            server.flush()
            server.client.config_resetstat()
            found = probe(1.0)
        else:
            keep_jobs(python, server, jobs)
            server.client.config_resetstat()
            told: list[dict[str, float]] = []
            drain(python, server, processes, jobs, during=lambda: told.append(probe(jobs / PROBED_BY_SECOND)))
            found = told[0]
        scripts = server.info("latencystats").get("latency_percentiles_usec_evalsha", {})
        held = {f"script_{name.replace('.', '_')}": float(value) for name, value in scripts.items()}
        return Measurement(found["p50"], "us", p99=found["p99"], most=found["max"], claims=found["claims"], **held)

    return once


def beating(
    python: Path, server: PrivateServer, processes: int, seconds: float, *, busy: bool = False, others: int = 0
) -> Once:
    """What a process of 25 threads costs Redis by the second: one that has nothing to do, or whose jobs all sleep.

    `others`: entries of further processes in the registry, which each process reads at each beat. They never beat, so
    that all must be over before a lease is.
    """

    def once(_: int) -> Measurement:
        server.flush()
        server.client.config_set("hz", 1)  # what Redis does for itself would drown what is measured
        alone = by_second(server, seconds / 2)
        with tempfile.TemporaryDirectory() as folder, workers(python, server, processes, 25, Path(folder)) as children:
            if busy:
                _occupy(python, server, processes * 25, seconds + 20)
            if others:
                now = time.time()
                server.client.zadd(
                    "fastkiq:alive", {f"host-{number:05}.example:12345:0123456789ab": now for number in range(others)}
                )
            clients = int(server.info("clients")["connected_clients"]) - 1
            before = sum(fine_cpu_seconds(child.pid) for child in children)
            found = by_second(server, seconds)
            worker = sum(fine_cpu_seconds(child.pid) for child in children) - before
            for child in children:
                child.kill()  # those that sleep would take their time
        server.client.config_set("hz", 10)
        cost = {name: (found[name] - alone[name]) / processes for name in found}
        return Measurement(
            cost.pop("us"),
            "us of Redis a second",
            **cost,
            worker_us=worker / processes / seconds * 1e6,
            connections=clients / processes,
            others=others + processes,
        )

    return once


def _occupy(python: Path, server: PrivateServer, jobs: int, seconds: float) -> None:
    code = f"import jobs; jobs.Sleep.perform_bulk([[{seconds}]] * {jobs})"
    run([python, "-c", code], {"FASTKIQ_REDIS_URL": server.url, "PYTHONPATH": str(PROBE.parent)})


def by_second(server: PrivateServer, seconds: float) -> dict[str, float]:
    """CPU by the scheduler's count, round trips and bytes by Redis's own."""
    cpu, usage = fine_cpu_seconds(server.pid), server.usage()
    time.sleep(seconds)
    cpu, used = fine_cpu_seconds(server.pid) - cpu, server.usage() - usage
    reads, total = used.reads / seconds, (used.received + used.sent) / seconds
    return {"us": cpu / seconds * 1e6, "reads": reads, "bytes": total}
