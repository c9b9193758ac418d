"""What somebody may have meant who named no module, or one that is not there. Nothing is imported to find out."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from fastkiq.options import name_suggestion, suggestion
from fastkiq.sources import worker_files

_MOST: Final = 2_000
"""Files that are looked at: the folder may be a home, or the root of a machine."""
_LISTED: Final = 3
_LONGEST: Final = 20_000
"""Of a manage.py, in bytes."""


class _Found(NamedTuple):
    path: str  # from the current folder
    module: str
    workers: list[str]


def for_target(target: str) -> str:
    """`; did you mean app/jobs.py?` and its like for something that cannot be loaded, or nothing."""
    found = _found()
    head, _, last = target.rpartition(".")
    by_path = "/" in target or "\\" in target or target.endswith(".py")
    for each in found:
        if target.replace("\\", "/") == each.path or target == each.module or f"{target}.py" == each.path:
            return f"; it is in {each.path}: name that"
    for each in found:
        if last in each.workers and head in ("", each.module, each.module.rpartition(".")[2]):
            return f"; {last} is a worker, and a module, file or folder is to be named: {each.path}"
    package = target.partition(".")[0]
    for each in found:
        if each.path.startswith(f"src/{package}/") and not by_path:
            return f"; {package} is in src: name {each.path}, or src for all that is there"
    near = suggestion(target, [each.path if by_path else each.module for each in found])
    return near or _there(found)


def for_nothing() -> str:
    """`; here app/jobs.py defines workers`, or nothing."""
    return _there(_found())


def for_loaded(targets: Sequence[str]) -> str:
    """`; does Mail define perform?` of what was loaded and defines no worker, or where some are."""
    found = _found()
    for each in found:
        if each.path in targets or each.module in targets:
            return f"; does {each.workers[0]} define perform?"
    return _there(found)


def for_worker(name: str) -> str:
    """`; did you mean 'app.jobs.Mail'?` for the name of a worker, when none here is called so and one nearly is."""
    known = [f"{each.module}.{worker}" for each in _found() for worker in each.workers]
    return "" if name in known or name in {each.rpartition(".")[2] for each in known} else name_suggestion(name, known)


def for_django(command: str) -> str:
    """How the Django project that is here, or that the environment names, is asked; nothing where it is set up."""
    if "fastkiq.contrib.django.conf" in sys.modules:
        return ""
    if _is_manage(Path("manage.py")):
        return f"python manage.py {command}"
    return f"python -m django {command}" if os.environ.get("DJANGO_SETTINGS_MODULE") else ""


def _is_manage(file: Path) -> bool:
    if not file.is_file():  # a pipe would be waited for
        return False
    try:
        with file.open("rb") as opened:
            return b"DJANGO_SETTINGS_MODULE" in opened.read(_LONGEST)
    except OSError:
        return False


def _there(found: list[_Found]) -> str:
    if not found:
        return ""
    more = f" and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
    defines = "defines" if len(found) == 1 else "define"
    return f"; here {', '.join(each.path for each in found[:_LISTED])}{more} {defines} workers"


def _found() -> list[_Found]:
    here = Path.cwd()
    answer = []
    for path, workers in worker_files(here, _MOST).items():
        if not workers:
            continue  # it does not parse
        relative = path.relative_to(here)
        parts = relative.with_suffix("").parts
        inside = parts[1:] if parts[0] == "src" and len(parts) > 1 else parts
        answer.append(_Found(str(relative), ".".join(inside).removesuffix(".__init__"), workers))
    return answer
