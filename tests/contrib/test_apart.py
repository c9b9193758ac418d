"""Modules of contrib are on nobody's way but their users'."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from children import clean_environment

PACKAGE = Path(__file__).parents[2] / "python" / "fastkiq"


def test_nothing_outside_imports_contrib() -> None:
    naming = re.compile(r"^\s*(from|import) fastkiq\.contrib|import_module\(.fastkiq\.contrib", re.MULTILINE)
    outside = [file for file in PACKAGE.rglob("*.py") if "contrib" not in file.relative_to(PACKAGE).parts]
    assert [str(file) for file in outside if naming.search(file.read_text())] == []


@pytest.mark.parametrize(
    ("module", "library"),
    [
        ("flask", "flask"),
        ("fastapi", "fastapi"),
        ("starlette", "starlette"),
        ("sqlalchemy", "sqlalchemy, sqlalchemy.ext.asyncio"),
        ("sentry", "sentry_sdk"),
        ("opentelemetry", "opentelemetry"),
    ],
)
def test_a_module_loads_its_own_library_only(module: str, library: str, tmp_path: Path) -> None:
    code = (
        f"import sys, {library}; before = set(sys.modules)\n"
        f"import fastkiq.contrib.{module}; print(*{{name.partition('.')[0] for name in set(sys.modules) - before}})"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path, env=clean_environment()
    )
    others = {"flask", "fastapi", "starlette", "sqlalchemy", "sentry_sdk", "opentelemetry", "django", "redis", "jinja2"}
    assert set(answer.stdout.split()) & others <= {module, library}
