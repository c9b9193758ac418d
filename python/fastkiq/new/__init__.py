"""`fastkiq new`: writes a project to start from."""

import keyword
import re
import sys
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template
from typing import Final

from fastkiq.errors import FastkiqError

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*([_-][A-Za-z0-9]+)*")
_LONGEST: Final = 64
_WEB: Final = {
    "flask": ('"fastkiq", "flask>=3.0"', "flask --app {package}.web run --port 8000"),
    "fastapi": ('"fastkiq", "fastapi>=0.115", "uvicorn>=0.30"', "uvicorn {package}.web:app"),
}
_PAGES: Final = "\n- `{package}/web.py`: the pages, of which one enqueues."
_PLAIN: Final = {
    "files": "pyproject.toml fastkiq.toml",
    "command": '"fastkiq"',
    "environment": "",
    "data": "greetings",
    "loads": 'require = ["{package}.jobs"]\nqueues = ["default", "low"]    # in this order\n',
}
_DJANGO: Final = {
    "files": "pyproject.toml fastkiq.toml manage.py",
    "command": '"python", "manage.py", "fastkiq"',
    "environment": " -e SECRET_KEY=...",
    "data": "data",
    "loads": "",
}
_SERVE: Final = """Or by HTTP:

```
{command}
```

```
curl -X POST localhost:8000/greetings/eve
```

"""
_TAKEN: Final = frozenset(
    {
        "fastkiq",
        "test",
        "tests",
        "greetings",
        "pytest",
        "redis",
        "click",
        "rich",
        "flask",
        "fastapi",
        "uvicorn",
        "django",
    }
)


_APPS: Final = frozenset({"admin", "auth", "contenttypes", "messages", "sessions", "staticfiles", "django_tasks"})
"""Names of apps of a Django project, of which each must have another one."""


class NewError(FastkiqError):
    """The project cannot be written: its name will not do, or something is there already."""


def package_of(name: str, *, django: bool = False) -> str:
    """The package of a project, `my_shop` for `my-shop`. Raises NewError for a name that will not do."""
    package = name.replace("-", "_").lower()
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        raise NewError(
            f"{name[:80]!r} cannot be the name of a project: letters, digits, and single - or _ between them, "
            f"a letter first, at most {_LONGEST} characters"
        )
    taken = _TAKEN | _APPS if django else _TAKEN
    if keyword.iskeyword(package) or package in sys.stdlib_module_names or package in taken:
        raise NewError(f"{name!r} cannot be the name of a project: {package} means something else already")
    return package


def workers_command(package: str, web: str | None = None) -> str:
    """What runs the workers of a project in development. With Flask's own command jobs have the application context."""
    return f"flask --app {package}.web fastkiq process --reload -v" if web == "flask" else "fastkiq process --reload -v"


def write(name: str, parent: Path, *, web: str | None = None, docker: bool = False) -> list[Path]:
    """Writes the project `name` into a new folder of that name, and answers its files in order.

    `web` is `flask` or `fastapi`, a module `web` that enqueues; or `django`, a project with an app. Raises NewError
    when the name will not do or the folder is there and not empty: nothing is ever overwritten.
    """
    django = web == "django"
    package = package_of(name, django=django)
    folder = parent / name
    if folder.is_symlink() or (folder.exists() and not (folder.is_dir() and not any(folder.iterdir()))):
        raise NewError(f"{folder} is there already, and nothing is overwritten: take another name or remove it")
    words = {"name": name, "package": package, "dependencies": '"fastkiq"', "serve": "", "pages": ""}
    words["workers"] = workers_command(package, web)
    for key, value in (_DJANGO if django else _PLAIN).items():
        words[key] = value.format(package=package)
    if web in _WEB:
        dependencies, serve = _WEB[web]
        words |= {"dependencies": dependencies, "serve": _SERVE.format(command=serve.format(package=package))}
        words["pages"] = _PAGES.format(package=package)
    if web == "flask":
        words["command"] = f'"flask", "--app", "{package}.web", "fastkiq"'
    written = []
    templates = files("fastkiq.new") / "templates"
    parts = ["common", "django"] if django else ["common", "base", *([web] if web is not None else [])]
    for part in [*parts, *(["docker"] if docker else [])]:
        for path, template in _templates(templates / part):
            file = folder.joinpath(*(package if each == "package" else each for each in path))
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("x", encoding="utf-8") as output:
                output.write(Template(template.read_text(encoding="utf-8")).substitute(words))
            written.append(file)
    return sorted(written)


def _templates(folder: Traversable, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Traversable]]:
    for each in folder.iterdir():
        if each.is_dir():
            yield from _templates(each, (*above, each.name))
        elif each.name.endswith(".in"):
            name = each.name.removesuffix(".in")
            yield (*above, f".{name.removeprefix('dot_')}" if name.startswith("dot_") else name), each
