"""Finds and imports the modules that define workers, as named on the command line."""

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from fastkiq.backtrace import is_own
from fastkiq.errors import FastkiqError
from fastkiq.hints import for_target
from fastkiq.sources import worker_files


class LoadError(FastkiqError):
    """Something named for loading is not there, or its own code failed: then `report` is the user's traceback."""

    report: str | None = None


def load(target: str) -> None:
    """Imports a module (`pkg.jobs`), a file (`jobs.py`) or a folder: each module under it that defines workers.

    A file outside a package goes by its stem, in `sys.modules` and on the wire. LoadError says what went wrong.
    """
    path = Path(target)
    if target and _is(path.is_dir):
        _load_folder(path)
    elif target.endswith(".py") or "/" in target:
        if not _is(path.is_file):
            hint = f"; did you mean {target}.py?" if _is(Path(f"{target}.py").is_file) else for_target(target)
            raise LoadError(f"no such file or folder: {target}{hint}")
        _load_file(path.resolve())
    else:
        _load_module(target)


def _is(kind: Callable[[], bool]) -> bool:
    """False also for what can be no path at all: too long, or with a NUL in it."""
    try:
        return kind()
    except (OSError, ValueError):
        return False


def _load_module(name: str) -> None:
    _importable(Path.cwd())
    if not all(part.isidentifier() for part in name.split(".")):
        raise LoadError(f"{name!r} is no module's name, and no file or folder of that name is here{for_target(name)}")
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            raise LoadError(
                f"no module named {error.name!r} in {Path.cwd()} or on sys.path{for_target(name)}"
            ) from None
        raise _broken(name, error) from error
    except (Exception, SystemExit) as error:
        raise _broken(name, error) from error


def _load_file(path: Path) -> None:
    if (path.parent / "__init__.py").exists():
        root = _package_root(path.parent)
        _importable(root)
        _load_module(_dotted(path, root))
        return
    _importable(path.parent)
    name = path.stem
    loaded = sys.modules.get(name)
    if loaded is not None and _same_file(loaded.__dict__.get("__file__"), path):
        return
    if loaded is not None or not name.isidentifier():
        # The name belongs to another module, of the standard library perhaps: only that one may answer to it.
        raise LoadError(
            f"{path}: a file is loaded under its stem, and {name!r} "
            + ("is the name of another module already" if loaded is not None else "is no module's name")
            + "; rename the file"
        )
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise LoadError(f"{path} is not Python source")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise _broken(str(path), error) from error


def _load_folder(folder: Path) -> None:
    folder = folder.resolve()
    files = worker_files(folder)
    if not files:
        raise LoadError(
            f"no module under {folder} defines a worker: a class of fastkiq.Worker, or a function with @fastkiq.job"
        )
    for path in files:
        if (path.parent / "__init__.py").exists():
            root = _package_root(path.parent)
        else:
            root = folder / "src" if folder / "src" in path.parents else folder
        _importable(root)
        _load_module(_dotted(path, root))


def _package_root(folder: Path) -> Path:
    while (folder / "__init__.py").exists():
        folder = folder.parent
    return folder


def _dotted(path: Path, root: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _importable(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _same_file(name: object, path: Path) -> bool:
    return isinstance(name, str) and Path(name).resolve() == path


def _broken(name: str, error: BaseException) -> LoadError:
    """The user's module raised: their traceback whole, without the frames of the import machinery."""
    load_error = LoadError(f"{name} cannot be loaded: {type(error).__name__}")
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename in _OURS:
        frames = frames.tb_next
    told = traceback.TracebackException(type(error), error, frames)
    if isinstance(error, FastkiqError):  # of a definition that cannot be: how that was found out is of no interest
        while len(told.stack) > 1 and is_own(told.stack[-1].filename):
            told.stack.pop()
    load_error.report = "".join(told.format()).rstrip("\n")
    return load_error


def _machinery() -> Iterator[str]:
    yield __file__
    yield importlib.__file__
    yield "<frozen importlib._bootstrap>"
    yield "<frozen importlib._bootstrap_external>"


_OURS = frozenset(_machinery())
