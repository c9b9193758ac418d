"""Instructions that a program executes between two cuts, from callgrind: the same number at every run, whatever else
the machine does. It knows nothing of caches, locks that are fought for, or time in the kernel."""

import json
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

CUTS: Final = ("getppid", "__getppid")
"""The C library's function that cuts the profile, by its two names."""
COST: Final = re.compile(rb"^(?:[+*-]?\d*) (\d+)$")


@dataclass(frozen=True)
class Count:
    """Instructions an operation: all of them, those in the core's own code, and those of each function itself."""

    total: float
    core: float
    functions: dict[str, float] = field(repr=False)


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
            profile = (Path(folder) / f"profile.{number * 2}{'' if all_threads else '-01'}").read_bytes()
            objects, functions = costs(profile, b"ob="), costs(profile, b"fn=")
            ours = sum(cost for name, cost in objects.items() if Path(name).name.startswith(core))
            each = {name: cost / operations for name, cost in functions.items()}
            counts[case] = Count(round(sum(objects.values()) / operations, 1), round(ours / operations, 1), each)
    return counts


def costs(profile: bytes, unit: bytes) -> dict[str, int]:
    """Instructions by object file (`ob=`) or by function (`fn=`), from one of callgrind's files."""
    total: dict[str, int] = defaultdict(int)
    name, inclusive = "", False
    for line in profile.splitlines():
        if line.startswith(unit):
            name = line[len(unit) :].decode(errors="replace")
        elif line.startswith(b"calls="):
            inclusive = True  # the next line is what the called function cost, and is counted there
        elif found := COST.match(line):
            if not inclusive:
                total[name] += int(found[1])
            inclusive = False
    return total
