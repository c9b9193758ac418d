"""Each contender in an environment of its own below benches/.peers/compare, made anew when what it asks for changes."""

import os
import subprocess
from pathlib import Path

from contender import Contender
from lab.process import run
from lab.venv import ANOTHER, INTERPRETER, built_wheel, environment, tag_of

PINNED = "3.13"
HARNESS = ("matplotlib==3.11.2",)


class NotHere(Exception):
    """A contender cannot run on this machine; the reason in one line."""


def install(contender: Contender, wheel: Path | None) -> None:
    """Raises NotHere. Without a change since the last time it does nothing."""
    settings = contender.settings
    wanted = _wheel_for(contender, wheel) if settings.get("wheel") else None
    if "requirements" in settings:
        try:
            environment(
                f"compare/{contender.name}", settings["requirements"], wanted, interpreter(contender.python_version)
            )
        except (RuntimeError, OSError, subprocess.SubprocessError) as error:
            raise NotHere(str(error)) from None
    if "setup" in settings:
        _set_up(contender, wanted)


def version(contender: Contender) -> str:
    """What its `versions` command prints, in one line."""
    command = contender.versions_command()
    if not command:
        return "?"
    try:
        said = run(command, contender.environment(contender.values(), {}), contender.folder, 60)
    except (RuntimeError, OSError) as error:
        raise NotHere(f"it does not run: {error}") from None
    return " ".join(said.split())


def harness() -> Path:
    """The interpreter of the environment that draws the plots."""
    return environment("compare/harness", HARNESS)


def interpreter(version: str) -> Path:
    """INTERPRETER, whatever its version; of the PINNED one that which FASTKIQ_BENCH_PYTHON_3_13 names, or Debian's."""
    if version != PINNED:
        if not INTERPRETER.exists():
            raise NotHere(f"no Python at {INTERPRETER}: {ANOTHER}")
        return INTERPRETER
    found = Path(_python313())
    try:
        tag = tag_of(found)
    except (RuntimeError, OSError) as error:
        raise NotHere(f"{found} does not run: {error}") from None
    if tag != f"cp{version.replace('.', '')}":
        raise NotHere(f"{found} is {tag}, not Python {version}: FASTKIQ_BENCH_PYTHON_3_13 names another")
    return found


def _python313(*asked: str) -> str:
    """The path of its interpreter; asked for its `wheel`, that of fastkiq, built when the tree has changed."""
    script = Path(__file__).with_name("python313.sh")
    done = subprocess.run([script, *asked], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotHere((done.stderr.strip() or "python313.sh failed").splitlines()[-1])
    return done.stdout.strip()


def _wheel_for(contender: Contender, wheel: Path | None) -> Path:
    """The one given, if it is for the contender's Python, else the newest in dist/ that is."""
    python = interpreter(contender.python_version)
    try:
        if wheel is not None and f"-{tag_of(python)}-" in wheel.name:
            return wheel.resolve()
        return Path(_python313("wheel")) if contender.python_version == PINNED else built_wheel()
    except (RuntimeError, OSError) as error:
        raise NotHere(str(error)) from None


def _set_up(contender: Contender, wheel: Path | None) -> None:
    """Its own script, for what pip cannot install: run each time, so it is quick where nothing is left to do.

    COMPARE_WHEEL names the wheel of fastkiq where the contender wants one.
    """
    script = contender.folder / contender.settings["setup"]
    contender.peer.mkdir(parents=True, exist_ok=True)
    own = contender.environment(contender.values(), {"COMPARE_WHEEL": str(wheel or "")})
    done = subprocess.run(
        ["bash", str(script), str(contender.peer)],
        cwd=contender.folder,
        env={**os.environ, **own},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise NotHere((done.stderr.strip().splitlines() or ["setup failed"])[-1])
