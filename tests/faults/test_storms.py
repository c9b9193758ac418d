"""Two hundred callers at once through one client of sixteen connections: nobody waits for ever, and nothing is lost."""

import json
from pathlib import Path

import pytest
import redis as redis_py

from faults.lab import programs
from faults.lab.kills import percentile
from faults.lab.results import record
from faults.lab.scale import scaled
from proxy import Proxy
from servers import Server

CROWD = 200
POOL = 16

THREADS = """
threads, count, kind = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
client = fastkiq.Client()
start = threading.Barrier(threads)

def storm(who):
    start.wait()
    waits = []
    for number in range(count):
        begun = time.perf_counter()
        if kind == "bulk":
            pushed = len(client.push_bulk("app.Job", [(f"{who}.{number}.{row}",) for row in range(20)]))
        else:
            pushed = len([client.push("app.Job", f"{who}.{number}")])
        waits.append(time.perf_counter() - begun)
        assert pushed == (20 if kind == "bulk" else 1)
    note("waits", who, *waits)

crew = [threading.Thread(target=storm, args=(who,)) for who in range(threads)]
for thread in crew:
    thread.start()
for thread in crew:
    thread.join()
"""

COROUTINES = """
import asyncio
from fastkiq.client import default

class Job(fastkiq.Worker):
    def perform(self, text):
        pass

threads, count, kind = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]

async def storm(who):
    waits = []
    for number in range(count):
        begun = time.perf_counter()
        if kind == "bulk":
            pushed = len(await Job.aperform_bulk([(f"{who}.{number}.{row}",) for row in range(20)]))
        else:
            pushed = len([await Job.aperform_async(f"{who}.{number}")])
        waits.append(time.perf_counter() - begun)
        assert pushed == (20 if kind == "bulk" else 1)
    note("waits", who, *waits)

async def main():
    lags = []
    async def watch():
        while True:
            begun = time.perf_counter()
            await asyncio.sleep(0.001)
            lags.append(time.perf_counter() - begun - 0.001)
    watching = asyncio.create_task(watch())
    await asyncio.gather(*(storm(who) for who in range(threads)))
    watching.cancel()
    note("lag", max(lags))

asyncio.run(main())
"""


@pytest.mark.timeout(180)
@pytest.mark.parametrize("kind", ["one", "bulk"])
@pytest.mark.parametrize("who", ["threads", "coroutines"])
def test_a_crowd_is_served(tmp_path: Path, redis_url: str, redis: redis_py.Redis, who: str, kind: str) -> None:
    count = scaled(20, 500) if kind == "one" else scaled(3, 50)
    storm(tmp_path, redis_url, redis, who, kind, count)


@pytest.mark.timeout(180)
def test_a_crowd_is_served_though_redis_is_far(tmp_path: Path, server: Server, redis: redis_py.Redis) -> None:
    """Each connection is away for 20 ms, and so all sixteen are all the time: the callers queue for them."""
    with Proxy(server.port, distance=0.01) as proxy:
        waits = storm(tmp_path, proxy.url, redis, "threads", "one", scaled(8, 100), "far")
    turn = 0.02 * CROWD / POOL
    assert waits[-1] < 4 * turn, "somebody is overtaken again and again"


def storm(
    folder: Path, url: str, redis: redis_py.Redis, who: str, kind: str, count: int, distance: str = "near"
) -> list[float]:
    source = THREADS if who == "threads" else COROUTINES
    connections = redis.info("stats")["total_connections_received"]
    done = programs.run(folder, source, url, [str(CROWD), str(count), kind], scaled(30, 150))
    assert done.code == 0, done.output
    assert "Traceback" not in done.output
    jobs = CROWD * count * (20 if kind == "bulk" else 1)
    arguments = [json.loads(payload)["args"][0] for payload in redis.lrange("queue:default", 0, -1)]
    assert len(set(arguments)) == len(arguments) == jobs
    waits = sorted(float(wait) for _, *each in done.noted("waits") for wait in each)
    assert len(waits) == CROWD * count
    record(
        f"{CROWD} {who} enqueue at once, {kind}, Redis {distance}",
        faults=0,
        jobs=jobs,
        lost=0,
        p50_s=percentile(waits, 0.5),
        p99_s=percentile(waits, 0.99),
        most_s=waits[-1],
        loop_lag_s=max((float(lag) for (lag,) in done.noted("lag")), default=0.0),
        connections=redis.info("stats")["total_connections_received"] - connections,
    )
    assert waits[-1] < 3, "somebody starves"
    assert redis.info("stats")["total_connections_received"] - connections <= POOL
    return waits
