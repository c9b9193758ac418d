"""What this web process has seen of the last minutes: totals and the sizes of queues, for rates and sparklines.

Fed by the requests that read them anyway: while nobody looks, nothing is read and nothing runs.
"""

import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import pairwise
from sys import intern
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from fastkiq.api import QueueState, Summary

STEP: Final = 5.0
"""Seconds from one sample to the next."""
KEPT: Final = 121
"""Samples: ten minutes."""
_LONGEST_GAP: Final = 90.0  # the slowest pages ask each minute; over more than that nothing can be said


class Sample(NamedTuple):
    """What was read at one moment."""

    at: float
    """Epoch seconds."""
    processed: int
    failed: int
    sizes: Mapping[str, int]
    """Queue -> jobs, of those that have some."""

    @classmethod
    def of(cls, summary: "Summary", queues: "Sequence[QueueState]") -> "Sample":
        """What has just been read. Of 1,000 full queues it takes 64 KiB."""
        sizes = {intern(queue.name): queue.size for queue in queues if queue.size}
        return cls(time.time(), summary.processed, summary.failed, sizes)


class Rate(NamedTuple):
    """Jobs a second, between the sample before and this one."""

    at: float
    processed: float
    failed: float


class Sampler:
    """One a site. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._samples: deque[Sample] = deque(maxlen=KEPT)

    def add(self, sample: Sample) -> None:
        """Keeps it, unless the last one is too young. A gap, or a clock set back, begins anew."""
        with self._lock:
            age = sample.at - self._samples[-1].at if self._samples else STEP
            if age < 0 or age > _LONGEST_GAP:
                self._samples.clear()
            elif age < STEP * 0.8:  # browsers ask each 5 s, more or less
                return
            self._samples.append(sample)

    def samples(self) -> list[Sample]:
        """The earliest first."""
        with self._lock:
            return list(self._samples)


def rates(samples: list[Sample]) -> list[Rate]:
    """One less than there are samples. Totals that were set to 0 meanwhile give 0."""
    found: list[Rate] = []
    for before, after in pairwise(samples):
        seconds = after.at - before.at
        processed, failed = max(0, after.processed - before.processed), max(0, after.failed - before.failed)
        found.append(Rate(after.at, processed / seconds, failed / seconds))
    return found


def sizes(samples: list[Sample], name: str) -> list[float]:
    """The sizes of one queue each ten seconds or so; between two samples on a straight line."""
    if len(samples) < 2:
        return []
    first, last = samples[0].at, samples[-1].at
    count = max(2, round((last - first) / (2 * STEP)) + 1)
    found: list[float] = []
    after = 1
    for step in range(count):
        at = first + (last - first) * step / (count - 1)
        while samples[after].at < at and after < len(samples) - 1:
            after += 1
        left, right = samples[after - 1], samples[after]
        share = min(1.0, (at - left.at) / (right.at - left.at))
        low, high = left.sizes.get(name, 0), right.sizes.get(name, 0)
        found.append(low + (high - low) * share)
    return found
