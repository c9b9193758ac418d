"""Which folders are watched, and which files in them count."""

import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from fastkiq.sources import left_out

MOST: Final = 5_000
"""Folders that are watched; the system has a limit of its own for all its programs together."""
State = tuple[int, int, int] | None
"""A file as it was: modified (ns), bytes, inode; None when it is not there."""


class Folders:
    """The project's folders, and those of what the workers have loaded from elsewhere, libraries left out.

    Each is watched by itself and not with all below it: virtual environments, `node_modules`, `.git` and other hidden
    folders would cost thousands of watches and tell nothing.
    """

    def __init__(self, project: Path, targets: Iterable[str], config_file: Path | None) -> None:
        paths = [Path(name).absolute() for name in targets]
        self._roots = list(dict.fromkeys([project, *(path for path in paths if path.is_dir())]))
        self._files = {str(path) for path in paths if path.is_file()}
        if config_file is not None:
            self._files.add(str(config_file.absolute()))
        self.loaded: dict[str, State] = {}
        """Files as the worker process found them when it loaded them."""

    def take(self, loaded: dict[str, State]) -> None:
        """Takes note of the files that a worker process has loaded."""
        self.loaded = loaded
        self._files = self._files | loaded.keys()

    def all(self) -> set[str]:
        """The folders that are there now, as absolute paths; at most MOST."""
        found = {folder for file in self._files if os.path.isdir(folder := os.path.dirname(file))}
        for folder in self._project():
            if len(found) >= MOST:
                break
            found.add(folder)
        return found

    def states(self) -> dict[str, State]:
        """Every file that counts: what is loaded or named, there or not, and the Python source of the project."""
        found: dict[str, State] = {file: state_of(file) for file in self._files}
        for folder in self._project():
            for name in _names(folder):
                if name.endswith(".py") and not name.startswith((".", "test_")) and name != "conftest.py":
                    path = os.path.join(folder, name)
                    if (state := state_of(path)) is not None:
                        found[path] = state
        return found

    def shown(self, changed: Iterable[str]) -> str:
        """`app/jobs.py, app/mail.py and 3 more`"""
        here = os.path.join(self._roots[0], "")
        names = sorted(path.removeprefix(here) for path in changed)
        return ", ".join(names[:3]) + (f" and {len(names) - 3:,} more" if len(names) > 3 else "")

    def _project(self) -> Iterator[str]:
        seen: set[str] = set()
        for root in self._roots:
            for at, folders, _ in os.walk(root):
                folders[:] = sorted(name for name in folders if not left_out(Path(at, name)))
                if at not in seen:
                    seen.add(at)
                    yield at
                if len(seen) >= MOST:
                    return


def loaded_files() -> dict[str, State]:
    """The files of all modules that are loaded in this process, but for libraries."""
    files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    paths = {os.path.abspath(file) for file in files if isinstance(file, str)}
    return {path: state_of(path) for path in paths if not _of_a_library(path)}


def state_of(path: str) -> State:
    """How a file is now."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []  # gone since it was found


def _of_a_library(file: str) -> bool:
    return "/site-packages/" in file or file.startswith(_LIBRARIES)


_LIBRARIES: Final = tuple(
    os.path.join(path, "")
    for path in {
        *(sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")),
        os.path.join(sys.prefix, "lib"),
        os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
    }
)
