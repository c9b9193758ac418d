"""The instruction counts: of the Rust parts by themselves, of what Python calls, of a job with all its threads."""

import json
import os
import platform
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from callgrind import Count, count

from servers import FAMILIES, Server, binary

ROOT: Final = Path(__file__).parents[1]
STEADY: Final = 0.10
"""By so much may a count grow that is the same at every run."""
UNSTEADY: Final = 0.25
"""And one of all threads, where the size of a batch depends on the machine; or any, when another compiler made it."""


@dataclass(frozen=True)
class Suite:
    """Counts that are measured in one run. `key` says for what platform they hold."""

    name: str
    key: str
    tolerance: float
    cases: dict[str, Count]


def measure() -> list[Suite]:
    """All of them; some twenty seconds, and the time that cargo needs for the Rust part."""
    machine = platform.machine()
    python = f"{machine} {sysconfig.get_config_var('SOABI')}"
    program, environment = build()
    suites = [Suite("Rust", machine, STEADY, count([program], environment, "counted"))]
    environment = os.environ | {"PYTHONHASHSEED": "0"}
    script = str(ROOT / "benches/micro/counted.py")
    with TemporaryDirectory() as folder:
        family = next(family for family in FAMILIES if binary(family))
        server = Server(family, Path(folder)).start()
        try:
            words = [sys.executable, script, server.url]
            one = count([*words, "codec", "jobs"], environment, "_core")
            pushes = count([*words, "pushes"], environment, "_core", all_threads=True)
            runs = [count([*words, "jobs"], environment, "_core", all_threads=True) for _ in range(3)]
        finally:
            server.stop()
    suites.append(Suite("Python thread", python, STEADY, one))
    # A thread of its own ships the batches of a bulk push; how often a push looks for its reply is a matter of time.
    suites.append(Suite("pushes", python, UNSTEADY, pushes))
    # The least of three: the run in which the threads met best, which varies less than one run.
    least = {case: min((run[case] for run in runs), key=lambda one: one.total) for case in runs[0]}
    suites.append(Suite("all threads", python, UNSTEADY, least))
    return suites


def build() -> tuple[str, dict[str, str]]:
    """The program of benches/rust and the environment to run it in; see .ci/stub-libpython."""
    environment = {"PYO3_PYTHON": sys.executable} | os.environ
    stub = output([sys.executable, str(ROOT / ".ci/stub-libpython"), "target/libpython"], environment)
    if stub:
        environment |= {"LIBRARY_PATH": stub, "LD_LIBRARY_PATH": stub}
    cargo = ["cargo", "bench", "--quiet", "--locked", "--features=bench", "--bench=counted", "--no-run"]
    made = output([*cargo, "--message-format=json"], environment)
    programs = [json.loads(line).get("executable") for line in made.splitlines()]
    return next(program for program in programs if program), environment


def tools() -> dict[str, str]:
    """What else the counts depend on: the compiler, and for the totals the interpreter and the C library."""
    environment = dict(os.environ)
    return {
        "compiler": output(["rustc", "--version"], environment),
        "interpreter": f"{sys.version}, {' '.join(platform.libc_ver())}",
        "valgrind": output(["valgrind", "--version"], environment),
    }


def output(command: list[str], environment: dict[str, str]) -> str:
    ran = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return ran.stdout.strip()
