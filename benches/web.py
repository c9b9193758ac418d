"""How long each page of the web UI takes when there is a lot of everything.

    .venv/bin/python benches/web.py                        # 1,000,000 jobs in each set and in a queue: some 2.5 GB
    .venv/bin/python benches/web.py --entries 100000 --only queue

`fastkiq web` serves a Redis of its own, filled as by `large.py`: 1,000 queues, 500 processes with 10 jobs each, metrics
of 50 classes for 72 hours. Each page is asked for 30 times over one connection.
"""

import argparse
import http.client
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from large import PROCESSES, cpu, fill

from fastkiq import api
from servers import Server, free_port, wait_until

ROUNDS = 30
GOAL = 100.0  # ms


def pages(redis: api.Redis, entries: int) -> list[str]:
    """What is asked for."""
    entry = api.RetrySet(redis).page(limit=1).items[0]
    waiting = api.Queue("big", redis).page(limit=1).items[0]
    process = next(iter(api.ProcessSet(redis).page(limit=1).items)).identity
    group = quote("Error3: HTTP # from host-#.example.org after # ms")
    key = quote(entry.id)
    return [
        *("/", "/?days=1825", "/stats", "/stats/queues"),
        *("/queues", "/queues?sort=size", "/queues?sort=latency&page=10"),
        *("/queues/big", f"/queues/big?cursor=head_{entries // 2}", "/queues/big?direction=asc"),
        *("/queues/big?class=Nobody", "/queues/big?class=Worker7&argument=99", f"/queues/big/{waiting.jid}"),
        *("/retries", "/retries?error=Error3", "/retries?class=Nobody", f"/retries?group={group}", "/retries/groups"),
        *(f"/retries/{key}", "/scheduled", "/scheduled?substr=example", "/morgue", "/morgue?count=100"),
        *(f"/search?q={entries - 5:024x}", "/busy", "/busy?only=jobs", f"/busy/{quote(process)}"),
        "/cron",
        *("/metrics", "/metrics?period=72h", "/metrics/app.jobs.Worker1", "/metrics/app.jobs.Worker1?period=8h"),
        *("/api/summary", "/api/queues", "/api/queues/big/jobs", "/api/retries", "/api/processes", "/api/work"),
        *("/api/metrics?period=72h", f"/api/jobs/{entries - 5:024x}"),
    ]


@contextmanager
def served(url: str) -> Iterator[tuple[http.client.HTTPConnection, int]]:
    """A connection to `fastkiq web`, and the id of its process."""
    port = free_port()
    words = [sys.executable, "-m", "fastkiq", "web", "--port", str(port), "--redis", url]
    with subprocess.Popen(words, stderr=subprocess.DEVNULL) as process:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            wait_until(lambda: answers(connection), 30, "fastkiq web")
            yield connection, process.pid
        finally:
            connection.close()
            process.terminate()


def answers(connection: http.client.HTTPConnection) -> bool:
    """Whether somebody listens."""
    try:
        connection.request("HEAD", "/")
        return connection.getresponse().read() == b""
    except OSError:
        connection.close()
        return False


def busy(pid: int) -> float:
    """Seconds of its processor; 0 where there is no /proc."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def tell(connection: http.client.HTTPConnection, pid: int, redis: api.Redis, path: str) -> bool:
    """One line; False: too slow."""
    taken: list[float] = []
    status, body, own, theirs = 0, b"", 0.0, 0.0
    for at in range(-2, ROUNDS):
        own, theirs = (busy(pid), cpu(redis)) if at == 0 else (own, theirs)
        start = time.perf_counter()
        connection.request("GET", path)
        response = connection.getresponse()
        status, body = response.status, response.read()
        if at >= 0:
            taken.append((time.perf_counter() - start) * 1000)
    own, theirs = ((after - before) / ROUNDS * 1000 for after, before in ((busy(pid), own), (cpu(redis), theirs)))
    median = statistics.median(taken)
    said = "" if status == 200 else f"  answered {status}"
    said += "  TOO SLOW" if median > GOAL else ""
    figures = f"{median:9.1f} {min(taken):8.1f} {max(taken):8.1f} {own:8.1f} {theirs:10.1f} {len(body) / 1024:8.1f}"
    print(f"{path[:60]:60} {figures}{said}", flush=True)
    return median <= GOAL


def main() -> int:
    """Fills, asks, and answers 1 when a page was too slow."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--only", default="", help="paths that have this in them")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = Server("redis", Path(folder)).start()
        try:
            redis = api.connect(url=server.url)
            fill(redis, options.entries)
            assert api.ProcessSet(redis).size == PROCESSES
            print(f"{'':60} {'median ms':>9} {'best':>8} {'worst':>8} {'own CPU':>8} {'Redis CPU':>10} {'KiB':>8}")
            with served(server.url) as (connection, pid):
                asked = [path for path in pages(redis, options.entries) if options.only in path]
                results = [tell(connection, pid, redis, path) for path in asked]
        finally:
            server.kill()
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
