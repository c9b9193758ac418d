"""The version before this one, built from its commit into a folder outside the tree, to run beside today's."""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

COMMIT = "88d0759"
"""Its schema is 1. When `rust/keys.rs` changes its own, this becomes the last commit before that."""
ROOT = Path(__file__).parents[3]


def site() -> Path:
    """A folder for PYTHONPATH with that version in it; built once a machine and interpreter, in a minute or two.

    Raises AssertionError where it cannot be had, saying why.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "fastkiq-faults" / f"{COMMIT}-{sysconfig.get_config_var('SOABI')}"
    done = folder / "site"
    if not done.exists():
        _build(folder, done)
    return done


def _build(folder: Path, done: Path) -> None:
    have = subprocess.run(
        ["git", "cat-file", "-e", f"{COMMIT}^{{commit}}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert have.returncode == 0, (
        f"the previous version, commit {COMMIT}, is not in this clone: fetch its history (git fetch --unshallow)"
    )
    cargo, maturin = shutil.which("cargo"), Path(sys.executable).with_name("maturin")
    assert cargo is not None, "the previous version is built with cargo"
    assert maturin.exists(), "the previous version is built with the maturin of .venv (make dev)"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    source = folder / "source"
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir()
    archive = subprocess.run(["git", "archive", COMMIT], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
    subprocess.run(["tar", "-x", "-C", str(source)], input=archive, check=True)
    built = subprocess.run(
        [maturin, "build", "--release", "--locked", "--interpreter", sys.executable, "--out", str(folder / "wheels")],
        cwd=source,
        env={**os.environ, "CARGO_TARGET_DIR": str(folder / "target"), "PYO3_PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, f"commit {COMMIT} cannot be built here:\n{built.stderr[-3000:]}"
    (wheel,) = (folder / "wheels").glob("*.whl")
    unpacked = folder / "unpacked"
    shutil.rmtree(unpacked, ignore_errors=True)
    with zipfile.ZipFile(wheel) as archived:  # it has no dependencies that the worker process loads
        archived.extractall(unpacked)
    unpacked.rename(done)
    shutil.rmtree(folder / "target")
