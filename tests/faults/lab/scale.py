"""How long the fault tests take: short, or long in `make faults` (FASTKIQ_LONG=1); and their random numbers."""

import os
import random
import secrets
from typing import Final, TypeVar

T = TypeVar("T")

LONG: Final = os.environ.get("FASTKIQ_LONG") == "1"
SEED: Final = int(os.environ.get("FASTKIQ_SEED") or secrets.randbelow(10**9))
"""FASTKIQ_SEED=N repeats what a run did: the same jobs, and the same faults as long after its start."""
os.environ["FASTKIQ_SEED"] = str(SEED)  # several processes may run the tests: one number for all


def scaled(short: T, long: T) -> T:
    return long if LONG else short


def dice(name: str) -> random.Random:
    """Random numbers of one test's own."""
    return random.Random(f"{SEED} {name}")
