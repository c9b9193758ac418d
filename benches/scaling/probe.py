"""Claims of 100 jobs from a queue of its own, one after the other with pauses: how long each takes.

python probe.py PORT SECONDS     prints {"p50", "p99", "max"} in us and the number of claims
"""

import json
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "alternatives"))

from child import trip
from forms import ALIVE, Flights
from lab.floor_child import Line, payload

ME = b"bench:2:fedcba"
BATCH = 100


class Probe(Flights):
    """fastkiq's own claim, of another queue and under another name."""

    identity, queue = ME, b"queue:probed"


def main() -> None:
    line, until = Line(int(sys.argv[1])), time.monotonic() + float(sys.argv[2])
    probe = Probe(lambda source: trip(line, [(b"SCRIPT", b"LOAD", source.encode())])[0])
    jobs = [payload(number) for number in range(BATCH)]
    trip(line, [(b"ZADD", ALIVE, str(time.time()).encode(), ME)])
    took: list[float] = []
    while time.monotonic() < until or not took:
        trip(line, [(b"LPUSH", probe.queue, *jobs)])
        time.sleep(random.uniform(0.0005, 0.002))
        began = time.perf_counter()
        trip(line, probe.claim(BATCH))
        took.append((time.perf_counter() - began) * 1e6)
        trip(line, [(b"DEL", probe.flight())])
    took.sort()
    rank = {"p50": took[len(took) // 2], "p99": took[min(len(took) - 1, len(took) * 99 // 100)], "max": took[-1]}
    print(json.dumps({**rank, "claims": len(took)}))


if __name__ == "__main__":
    main()
