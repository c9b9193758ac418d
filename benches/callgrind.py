"""Instructions that a program executes between two cuts, from callgrind: the same number at every run, whatever else
the machine does. It knows nothing of caches, locks that are fought for, or time in the kernel."""

import json
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

CUTS: Final = ("getppid", "__getppid")
"""The C library's function that cuts the profile, by its two names."""
COST: Final = re.compile(rb"^(?:[+*-]?\d*) (\d+)$")


@dataclass(frozen=True)
class Count:
    """Instructions an operation: all of them, and those in the core's own code."""

    total: float
    core: float


class CallgrindError(RuntimeError):
    """The program failed under valgrind; carries the end of what it said."""


def available() -> bool:
    return shutil.which("valgrind") is not None


def count(
    command: Sequence[str], environment: Mapping[str, str], core: str, *, all_threads: bool = False
) -> dict[str, Count]:
    """Runs `command`, which cuts and prints as micro/counted.py does, and answers what each case took.

    `core` is how the name of the object file begins whose instructions are counted apart. Without `all_threads` only
    the thread that cuts is counted: what the others do meanwhile depends on when they come to it.
    """
    threads = f"--separate-threads={'no' if all_threads else 'yes'}"
    with TemporaryDirectory() as folder:
        output = [f"--callgrind-out-file={folder}/profile", "--compress-strings=no", threads]
        cuts = [f"--dump-before={name}" for name in CUTS]
        valgrind = ["valgrind", "--quiet", "--tool=callgrind", *output, *cuts, *command]
        ran = subprocess.run(valgrind, env=dict(environment), capture_output=True, text=True)
        if ran.returncode:
            raise CallgrindError((ran.stderr or ran.stdout)[-2000:])
        counts = {}
        for number, (case, operations) in enumerate(json.loads(ran.stdout.splitlines()[-1]), 1):
            # Part 1 is what came before the first cut, part 2 the first case, part 3 what came between it and the next.
            by_object = instructions(Path(folder) / f"profile.{number * 2}{'' if all_threads else '-01'}")
            ours = sum(cost for name, cost in by_object.items() if Path(name).name.startswith(core))
            counts[case] = Count(round(sum(by_object.values()) / operations, 1), round(ours / operations, 1))
    return counts


def instructions(profile: Path) -> dict[str, int]:
    """Instructions by object file, from one file of callgrind's."""
    costs: dict[str, int] = defaultdict(int)
    name, inclusive = "", False
    for line in profile.read_bytes().splitlines():
        if line.startswith(b"ob="):
            name = line[3:].decode(errors="replace")
        elif line.startswith(b"calls="):
            inclusive = True  # the next line is what the called function cost, and is counted there
        elif found := COST.match(line):
            if not inclusive:
                costs[name] += int(found[1])
            inclusive = False
    return costs
