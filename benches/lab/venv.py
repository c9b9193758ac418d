"""Virtual environments of the timed sides: an optimised interpreter, pinned packages, and a wheel of this tree."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from lab import BENCHES, REPOSITORY

PEERS = BENCHES / ".peers"
"""Where they are; git-ignored."""
INTERPRETER = Path(os.environ.get("FASTKIQ_BENCH_PYTHON", "/usr/bin/python3"))
"""For all timed Python sides: Debian's is built with PGO, pyenv's are not unless asked."""
ANOTHER = (
    "FASTKIQ_BENCH_PYTHON=/path/to/python measures with another Python, and `make PYTHON=/path/to/python wheel` builds "
    "the wheel for it, after `make clean` where .venv is of a different one"
)


def built_wheel(given: str | None = None, interpreter: Path | None = None) -> Path:
    """The wheel to measure: the given one, or the newest in dist/ that fits this Python (INTERPRETER)."""
    tag = tag_of(interpreter or INTERPRETER)
    fitting = [path for path in REPOSITORY.glob("dist/*.whl") if f"-{tag}-" in path.name or "-abi3-" in path.name]
    found = [Path(given)] if given else sorted(fitting, key=lambda path: path.stat().st_mtime)
    if not found or not found[-1].is_file():
        raise FileNotFoundError(f"no wheel {given}" if given else f"no wheel for {tag} in dist/: {ANOTHER}")
    return found[-1].resolve()


def tag_of(interpreter: Path) -> str:
    """What the names of its wheels hold, such as "cp311"."""
    return _run([str(interpreter), "-c", "import sys; print('cp%d%d' % sys.version_info[:2])"]).strip()


def environment(
    name: str, requirements: Sequence[str], wheel: Path | None = None, interpreter: Path | None = None
) -> Path:
    """The python of an environment with exactly this in it; made anew, which takes a while, when any of it has
    changed."""
    folder, interpreter = PEERS / name, interpreter or INTERPRETER
    python, mark = folder / "bin" / "python", folder / "made-of"
    made_of = "\n".join([str(interpreter), *requirements, _digest(wheel)])
    if mark.exists() and mark.read_text() == made_of and python.exists():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    _run([str(interpreter), "-m", "venv", str(folder)])
    wanted = [*requirements, *([str(wheel)] if wheel else [])]
    if wanted:
        _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted])
    mark.write_text(made_of)
    return python


def _digest(wheel: Path | None) -> str:
    return hashlib.sha256(wheel.read_bytes()).hexdigest() if wheel else ""


def _run(command: list[str]) -> str:
    """Its stdout."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {' '.join((done.stdout + done.stderr).split())[-600:]}")
    return done.stdout
