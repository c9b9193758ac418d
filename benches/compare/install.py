"""Each contender in an environment of its own below benches/.peers/compare, made anew when what it asks for changes."""

import os
import subprocess
from pathlib import Path

from contender import Contender
from lab.process import run
from lab.venv import INTERPRETER, PEERS, environment

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
    """The optimised interpreter of a version; FASTKIQ_BENCH_PYTHON and FASTKIQ_BENCH_PYTHON_3_13 name others."""
    chosen = os.environ.get(f"FASTKIQ_BENCH_PYTHON_{version.replace('.', '_')}")
    found = chosen or (_python313() if version == "3.13" else str(INTERPRETER))
    if not Path(found).exists():
        raise NotHere(f"no Python {version} on this machine")
    script = "import sys; print('%d.%d' % sys.version_info[:2])"
    said = subprocess.run([found, "-c", script], capture_output=True, text=True, check=False).stdout.strip()
    if said != version:
        raise NotHere(f"{found} is Python {said}, not {version}")
    return Path(found)


def _python313(*asked: str) -> str:
    """The path of its interpreter; asked for its `wheel`, that of fastkiq, built when the tree has changed."""
    script = Path(__file__).with_name("python313.sh")
    done = subprocess.run([script, *asked], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotHere((done.stderr.strip() or "python313.sh failed").splitlines()[-1])
    return done.stdout.strip()


def _wheel_for(contender: Contender, wheel: Path | None) -> Path:
    """The one given, if it is for the contender's Python, else the newest in dist/ that is."""
    tag = "cp" + contender.python_version.replace(".", "")
    if wheel is not None and tag in wheel.name:
        return wheel.resolve()
    if contender.python_version == "3.13":
        return Path(_python313("wheel"))
    found = sorted((PEERS.parents[1] / "dist").glob(f"fastkiq-*{tag}*.whl"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise NotHere(f"no wheel of fastkiq for {tag} in dist/: make wheel, or --wheel FILE")
    return found[-1]


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
