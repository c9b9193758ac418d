"""What a measurement was made on: the facts that a document has to name."""

import json
import os
import platform
import shutil
import subprocess
from pathlib import Path

from lab import REPOSITORY

_ASK_PYTHON = """
import json, platform, sys, sysconfig
built = sysconfig.get_config_var("CONFIG_ARGS") or ""
print(json.dumps([platform.python_version(), sys.executable, built, platform.python_compiler()]))
"""


def facts(python: Path) -> dict[str, str]:
    """Name -> value, in the order in which a table shows them. `python`: the interpreter of the timed sides, with
    fastkiq in it or without."""
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "kernel": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        "python": _python(python),
        "redis": _redis(),
        "fastkiq": f"{_said([str(python), '-c', 'import fastkiq; print(fastkiq.__version__)']) or '-'}, {_commit()}",
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return " ".join(line.partition(":")[2].split())
    return platform.machine()


def _python(python: Path) -> str:
    answer = _said([str(python), "-c", _ASK_PYTHON])
    if answer is None:
        return f"{python} does not run"
    version, executable, configured, compiler = json.loads(answer)
    real = os.path.realpath(executable)
    # Debian builds its own with PGO and LTO by other means than this option.
    optimised = "--enable-optimizations" in configured or real.startswith("/usr/bin/")
    return f"{version} ({real}, {'PGO' if optimised else 'not built with PGO'}, {compiler})"


def _redis() -> str:
    binary = shutil.which("redis-server")
    words = (_said([binary, "--version"]) or "").split() if binary else []
    return next((word.removeprefix("v=") for word in words if word.startswith("v=")), "not present")


def _commit() -> str:
    commit = _said(["git", "-C", str(REPOSITORY), "rev-parse", "--short", "HEAD"]) or "no git"
    sources = ("rust", "python", "Cargo.toml", "Cargo.lock", "pyproject.toml")
    changed = _said(["git", "-C", str(REPOSITORY), "status", "--porcelain", "--untracked-files=no", "--", *sources])
    return f"commit {commit}{' with changes' if changed else ''}"


def _said(command: list[str]) -> str | None:
    """Its stdout in one piece, or None when it fails."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
