"""The demo against a plain loop over the same files: `make demo` in small, on the embedded server."""

import ast
import json
import os
import signal
import subprocess
import sys
import sysconfig
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import redis as redis_py

from children import Child, clean_environment
from embedded_kit import own_folder
from fastkiq import embedded
from servers import wait_until

DEMO = Path(__file__).parents[2] / "examples" / "stdlib_census.py"
LIMIT = 250
STRANGER = b'{"class":"Somebody","args":[],"jid":"0123456789abcdef01234567","queue":"other"}'


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    with own_folder(tmp_path) as path:
        yield path


def environment(folder: Path) -> dict[str, str]:
    return clean_environment({"FASTKIQ_EMBEDDED_DIR": str(folder)})


def census(folder: Path, *arguments: str) -> dict[str, Any]:
    result = subprocess.run(
        [sys.executable, str(DEMO), "--limit", str(LIMIT), "--json", *arguments],
        capture_output=True,
        text=True,
        timeout=50,
        cwd=folder.parent,
        env=environment(folder),
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def plain_loop(paths: list[Path]) -> dict[str, Any]:
    """The same census without jobs."""
    lines = functions = classes = 0
    names: Counter[str] = Counter()
    for path in paths:
        source = path.read_bytes()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            nodes = list(ast.walk(ast.parse(source)))
        lines += len(source.splitlines())
        functions += sum(type(node) in {ast.FunctionDef, ast.AsyncFunctionDef} for node in nodes)
        classes += sum(type(node) is ast.ClassDef for node in nodes)
        names.update(node.id for node in nodes if type(node) is ast.Name)
    top = sorted(names.items(), key=lambda item: (-item[1], item[0]))[:10]
    return {"lines": lines, "functions": functions, "classes": classes, "names": [list(pair) for pair in top]}


def parses(path: Path) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return False
    return True


def test_the_totals_are_those_of_a_plain_loop_twice_over(folder: Path) -> None:
    first = census(folder)
    with redis_py.Redis.from_url(embedded.ensure(folder)) as redis:
        counted = [Path(os.fsdecode(path)) for path in redis.hkeys("census:counts")]
        dead = [json.loads(entry) for entry in redis.zrange("dead", 0, -1)]
        redis.zadd("dead", {STRANGER: 1.9e9, b"no job at all": 1.9e9})
        redis.lpush("queue:other", STRANGER)
    roots = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    assert all(any(path.is_relative_to(root) for root in roots) for path in counted)
    assert len(counted) + len(dead) == LIMIT + 3 == first["files"]
    assert not any(parses(Path(job["args"][0])) for job in dead)
    assert {Path(job["args"][0]).name for job in dead} >= {"syntax_error.py", "not_text.py", "vanished.py"}
    assert all(job["retry_count"] == 1 and job["retried_at"] for job in dead), "each was retried once"
    assert (first["done"], first["dead"], first["failed"]) == (len(counted), len(dead), 2 * len(dead))
    assert {key: first[key] for key in ("lines", "functions", "classes", "names")} == plain_loop(counted)

    second = census(folder)
    assert {**second, "seconds": 0} == {**first, "seconds": 0}
    with redis_py.Redis.from_url(embedded.ensure(folder)) as redis:
        assert redis.zscore("dead", STRANGER) is not None, "what belongs to others is left alone"
        assert redis.zscore("dead", b"no job at all") is not None
        assert redis.llen("queue:other") == 1


def worker_of(demo: Child) -> int | None:
    """The demo's child that works, as soon as it is there."""
    children = Path(f"/proc/{demo.pid}/task/{demo.pid}/children").read_text().split()
    for pid in map(int, children):
        with suppress(ProcessLookupError, FileNotFoundError):  # another child, which has ended just now
            if b"process" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                return pid
    return None


@pytest.mark.skipif(sys.platform != "linux", reason="finds the worker through /proc")
def test_totals_that_do_not_add_up_are_told_and_spoil_no_later_ones(folder: Path) -> None:
    demo = Child([sys.executable, str(DEMO)], folder.parent, environment(folder))
    try:
        worker = wait_until(lambda: worker_of(demo), 20, "the worker to start")
        with redis_py.Redis.from_url(embedded.ensure(folder)) as redis:
            wait_until(lambda: redis.hlen("census:counts") > LIMIT + 50, 30, "some files to be counted")
        os.kill(worker, signal.SIGKILL)
        assert demo.wait(30) == 1, demo.output()
        assert "census: the worker ended with exit code -9" in demo.output()
        assert "are left in the queue" in demo.output()
    finally:
        demo.close()
    second = census(folder)
    assert second["done"] + second["dead"] == LIMIT + 3
    assert second["failed"] == 2 * second["dead"], "what the killed worker held does not come back"


@pytest.mark.skipif(sys.platform != "linux", reason="finds the worker through /proc")
def test_an_interrupted_census_says_so(folder: Path) -> None:
    demo = Child([sys.executable, str(DEMO)], folder.parent, environment(folder))
    try:
        wait_until(lambda: worker_of(demo), 20, "the worker to start")
        demo.signal(signal.SIGINT)
        assert demo.wait(40) == 130
        assert "census: stopped." in demo.output()
        assert "Traceback" not in demo.output()
    finally:
        demo.close()
