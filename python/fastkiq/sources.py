"""Tells by its text alone which source files under a folder define workers, so that nothing else is imported."""

import ast
import os
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

_SKIPPED: Final = frozenset({"__pycache__", "node_modules", "site-packages", "build", "dist", "tests", "test"})


class _Source(NamedTuple):
    path: Path
    classes: list[tuple[str, set[str]]]  # each class with the last names of its bases
    jobs: list[str]  # functions under a decorator of ours
    broken: str = ""  # the text of a file that does not parse


def worker_files(folder: Path, most: int | None = None) -> dict[Path, list[str]]:
    """Files that define a subclass of `Worker`, however many steps down, or a function under `@fastkiq.job`; sorted.

    Each with the names of those; without any for a file that does not parse and speaks of fastkiq or of a class of
    workers, since nobody can say more of it. Left out: hidden folders, virtual environments, tests. Of many files the
    first `most` are looked at.
    """
    files = islice(_python_files(folder), most)
    sources = [source for path in files if (source := _read(path)) is not None]
    known = {"Worker"}
    while True:
        found = {name for source in sources for name, bases in source.classes if bases & known}
        if found <= known:
            break
        known |= found
    workers = {
        source.path: [*(name for name, bases in source.classes if bases & known), *source.jobs] for source in sources
    }
    telling = {"fastkiq", *known} - {"Worker"}
    torn = {source.path for source in sources if telling & set(re.findall(r"\w+", source.broken))}
    return {path: names for path, names in workers.items() if names or path in torn}


def _python_files(folder: Path) -> Iterator[Path]:
    for at, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not left_out(Path(at, name)))
        for name in sorted(files):
            if name.endswith(".py") and not name.startswith("test_") and name not in ("conftest.py", "setup.py"):
                yield Path(at, name)


def left_out(folder: Path) -> bool:
    """Whether no source of workers is looked for in this folder and below it."""
    name = folder.name
    return name.startswith(".") or name in _SKIPPED or not name.isidentifier() or (folder / "pyvenv.cfg").exists()


def _read(path: Path) -> _Source | None:
    try:
        text = path.read_bytes()
        if b"class " not in text and b"fastkiq" not in text:
            return None
        tree = ast.parse(text, filename=str(path))
    except OSError:
        return None
    except (SyntaxError, ValueError, RecursionError):
        return _Source(path, [], [], text.decode("utf-8", "replace"))
    classes: list[tuple[str, set[str]]] = []
    jobs: list[str] = []
    ours = b"fastkiq" in text
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            classes.append((node.name, {_last_name(base) for base in node.bases}))
        elif (
            ours
            and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
            and any(_last_name(decorator) == "job" for decorator in node.decorator_list)
        ):
            jobs.append(node.name)
    return _Source(path, classes, jobs)


def _last_name(node: ast.expr) -> str:
    """`job` of `fastkiq.job(queue="x")`, `Worker` of `fastkiq.Worker`."""
    if isinstance(node, ast.Call):
        node = node.func
    if isinstance(node, ast.Subscript):
        node = node.value
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
