"""How soon an idle worker begins a job that has just been enqueued."""

import math
import random
import time
from collections.abc import Sequence
from typing import Final

from fastkiq.bench.jobs import Wake
from fastkiq.bench.workers import Workers

_SECONDS: Final = 10.0  # at most, for all together, unless their pauses alone take as long
_PAUSE: Final = (0.005, 0.030)  # seconds between two probes, so that each finds the workers idle
_UNCOUNTED: Final = 5  # the first ones start threads and load what is loaded at need
_LOST: Final = 30.0


def wake_ups(workers: Workers, queues: Sequence[str], probes: int) -> list[float]:
    """Seconds from just before the push to the first line of `perform`, one a probe, in ascending order."""
    targets = [Wake.set(queue=queue) for queue in queues]
    found: list[float] = []
    until = time.monotonic() + max(_SECONDS, probes * sum(_PAUSE))
    for number in range(-_UNCOUNTED, probes):
        random.choice(targets).perform_async(time.monotonic_ns())
        seconds = workers.next("wake_ns", _LOST) / 1e9
        if number >= 0:
            found.append(seconds)
            if time.monotonic() > until:
                break
        time.sleep(random.uniform(*_PAUSE))
    return sorted(found)


def percentile(ascending: Sequence[float], percent: float) -> float:
    """The least value that so many percent of them do not exceed (the nearest rank)."""
    return ascending[max(0, math.ceil(len(ascending) * percent / 100) - 1)]
