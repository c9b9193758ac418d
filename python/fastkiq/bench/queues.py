"""The queues and the workers' names that are measured with."""

from typing import Final

QUEUE: Final = "fastkiq-bench-1"
"""The first one, which is always there."""
NOTHING: Final = "Bench"
WAKE: Final = "BenchWake"


def queue_names(count: int) -> list[str]:
    """So many, the first one first."""
    return [f"{QUEUE[:-1]}{number}" for number in range(1, count + 1)]
