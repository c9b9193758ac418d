"""A census of Python's own source: one job a file, on a real server that is started for the occasion.

    make demo            or: python examples/stdlib_census.py [--limit N] [--json]

Each `.py` file of the running Python's standard library and site-packages is parsed and counted by one job, and three
broken files come along to show what happens to jobs that fail: one retry, then the dead set. This file is all of it:
the worker, the program that enqueues, and the report. The jobs run in a real `fastkiq process`, as yours would.
"""

import argparse
import ast
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from threading import Lock
from typing import IO, Any

import redis as redis_py
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

import fastkiq
from fastkiq import embedded

QUEUE = "census"
WIRE_NAME = "stdlib_census.Census"  # what the class is called in Redis: this file's name, however it was started
COUNTS = "census:counts"  # hash: path -> [lines, functions, classes]
NAMES = "census:names"  # hash: path -> {name: uses}
PARSING, CONNECTING = Lock(), Lock()


# The worker


class Census(fastkiq.Worker, queue=QUEUE, retry=1):
    """Counts one source file."""

    def perform(self, path: str) -> None:
        counts, names = count(Path(path))
        # A job runs at least once, so perhaps twice: it writes what it found under the file's name, where a second run
        # changes nothing. Raising a total here would count a file again.
        with connection().pipeline() as pipeline:
            pipeline.hset(COUNTS, path, json.dumps(counts))
            pipeline.hset(NAMES, path, json.dumps(names))
            pipeline.execute()

    @classmethod
    def retry_in(cls, count: int, error: BaseException, job: fastkiq.Job) -> float:
        """A second, not the usual quarter of a minute: this is a demonstration. Up to nine of jitter come on top."""
        return 1.0


def parsed(source: bytes, name: str) -> ast.AST:
    """The syntax tree. Before 3.11.8 and 3.12.2 two threads that parse at the same time share one count of their depth:
    now and then a SystemError says so. There one thread parses at a time; the GIL would hardly let two.
    """
    with PARSING if sys.version_info < (3, 12, 2) else nullcontext():
        return ast.parse(source, name)


def count(path: Path) -> tuple[list[int], dict[str, int]]:
    """([lines, functions, classes], uses of each name) of a source file. Raises what `ast` raises."""
    source = path.read_bytes()
    functions = classes = 0
    names: Counter[str] = Counter()
    for node in ast.walk(parsed(source, str(path))):
        if isinstance(node, ast.Name):
            names[node.id] += 1
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            functions += 1
        elif isinstance(node, ast.ClassDef):
            classes += 1
    return [len(source.splitlines()), functions, classes], names


def connection() -> redis_py.Redis:
    """To the embedded server, for the tallies; fastkiq's own connections are its own affair.

    One for all threads. `cache` alone may make several when the first jobs start together, and those that are not kept
    close their connections when they are collected: perhaps under the hands of the job that had asked for one.
    """
    with CONNECTING:
        return connected()


@cache
def connected() -> redis_py.Redis:
    """Made by the first call."""
    return redis_py.Redis.from_url(embedded.ensure())


# The program


@dataclass
class Report:
    """What the census found. `failed` counts attempts, `dead` counts files."""

    files: int
    done: int
    failed: int
    dead: int
    seconds: float
    lines: int
    functions: int
    classes: int
    names: list[tuple[str, int]]


def sources() -> Iterator[str]:
    """Each .py file of the running Python's standard library and site-packages."""
    roots = dict.fromkeys(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib"))
    foreign = {"site-packages", "dist-packages", "__pycache__"}  # below the library: of another environment than this
    for root in roots:
        for folder, subfolders, names in os.walk(root):
            subfolders[:] = sorted(set(subfolders) - foreign)
            yield from (os.path.join(folder, name) for name in sorted(names) if name.endswith(".py"))


def broken_files(folder: Path) -> list[str]:
    """A syntax error, bytes that are no text, and a file that is gone when its job runs."""
    (folder / "syntax_error.py").write_text("def half(:\n")
    (folder / "not_text.py").write_bytes(b"name = '\xff\xfe'\n")
    return [str(folder / name) for name in ("syntax_error.py", "not_text.py", "vanished.py")]


def mine(redis: redis_py.Redis, key: str, since: float | str = "-inf") -> dict[bytes, str]:
    """The census's own jobs in `retry` or `dead` (stored bytes -> path)."""
    entries: Any = redis.zrangebyscore(key, since, "+inf")
    jobs = {entry: fastkiq.Job.from_bytes(entry) for entry in entries}
    return {entry: job.args[0] for entry, job in jobs.items() if job.class_name == WIRE_NAME}


def forget_the_last_census(redis: redis_py.Redis) -> None:
    """Only what belongs to this example goes; the folder may be in use for other things.

    A worker that was killed has left what it had claimed, and the next one would put that back into the queue.
    """
    claimed = list(redis.scan_iter(f"fastkiq:flight:*:{QUEUE}:*", count=1_000))
    redis.delete(COUNTS, NAMES, f"queue:{QUEUE}", *claimed)
    for key in ("retry", "dead"):
        old = list(mine(redis, key))
        if old:
            redis.zrem(key, *old)


def run_worker(output: IO[bytes], watch: "Watch") -> int:
    """`fastkiq process` until the queue is empty and the last retry has been; its exit code."""
    command = [sys.executable, "-m", "fastkiq", "process", __file__, "--drain=15", "--redis", "embedded", "-q", QUEUE]
    # Old source is full of invalid escapes, which `ast` would mention each time.
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    worker = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)
    try:
        while worker.poll() is None:
            watch.look()
            time.sleep(0.1)
        watch.look()
    except BaseException:  # a Ctrl-C above all: the worker stops cleanly, then this program
        worker.terminate()
        worker.wait()
        raise
    return worker.returncode


class Watch:
    """Follows the worker from outside, in Redis, and moves the progress bar."""

    def __init__(self, redis: redis_py.Redis, progress: Progress, total: int) -> None:
        self._redis = redis
        self._progress = progress
        self._bar = progress.add_task("census", total=total, dead=0)
        self._since = time.time()
        self._done = 0
        self._began = self._ended = 0.0

    def look(self) -> None:
        done = int(self._redis.hlen(COUNTS))
        dead = len(mine(self._redis, "dead", self._since))
        now = time.monotonic()
        self._began = self._began or (now if done else 0.0)
        if done > self._done:
            self._done, self._ended = done, now
        self._progress.update(self._bar, completed=done + dead, dead=dead)

    @property
    def seconds(self) -> float:
        """From the first counted file to the last: without the worker's start and the wait for the retries."""
        return self._ended - self._began


def take_census(limit: int | None, console: Console) -> tuple[Report, list[str]]:
    """The report, and what does not add up in it."""
    redis = connection()
    forget_the_last_census(redis)
    failed_before = int(redis.get("stat:failed") or 0)
    with tempfile.TemporaryDirectory(prefix="census-") as name, open(Path(name, "worker.log"), "w+b") as output:
        broken = broken_files(Path(name))
        paths = [*list(dict.fromkeys(sources()))[:limit], *broken]
        Census.perform_bulk((path,) for path in paths)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, TextColumn("{task.fields[dead]} dead"), console=console) as progress:
            watch = Watch(redis, progress, len(paths))
            code = run_worker(output, watch)
        if code:
            output.seek(0)
            console.print(Text(output.read()[-4000:].decode("utf-8", "replace")))
    failed = int(redis.get("stat:failed") or 0) - failed_before
    dead = list(mine(redis, "dead").values())
    report = tally(redis, len(paths), failed, len(dead), watch.seconds)
    return report, complaints(redis, code, paths, broken, dead)


def tally(redis: redis_py.Redis, files: int, failed: int, dead: int, seconds: float) -> Report:
    """Sums up what the jobs left, each file once."""
    counts = [json.loads(value) for value in redis.hvals(COUNTS)]
    names: Counter[str] = Counter()
    for _, value in redis.hscan_iter(NAMES, count=200):
        names.update(json.loads(value))
    lines, functions, classes = (sum(column) for column in zip(*counts, strict=True)) if counts else (0, 0, 0)
    top = sorted(names.items(), key=lambda item: (-item[1], item[0]))[:10]
    return Report(files, len(counts), failed, dead, seconds, lines, functions, classes, top)


def complaints(redis: redis_py.Redis, code: int, paths: list[str], broken: list[str], dead: list[str]) -> list[str]:
    """What must hold: each file was counted or is dead, once and not both, and nothing is left over."""
    counted = {os.fsdecode(path) for path in redis.hkeys(COUNTS)}
    left = int(redis.llen(f"queue:{QUEUE}")) + len(mine(redis, "retry"))
    checks = {
        f"the worker ended with exit code {code}": code == 0,
        f"{left} jobs are left in the queue or wait for a retry": left == 0,
        f"{len(paths)} files, but {len(counted)} counted and {len(dead)} dead": (
            sorted(paths) == sorted([*counted, *dead])
        ),
        "a broken file is not in the dead set": set(broken) <= set(dead),
    }
    return [complaint for complaint, holds in checks.items() if not holds]


def show(report: Report, console: Console) -> None:
    """The table. Names come from files, so nothing of them passes through markup."""
    table = Table("census", "", show_header=False)
    speed = f"{report.done / report.seconds:,.0f}" if report.seconds else "-"
    rows: list[tuple[str, Any]] = [
        ("jobs done", report.done),
        ("failed attempts", report.failed),
        ("dead", report.dead),
        ("jobs per second", speed),
        ("lines", report.lines),
        ("functions", report.functions),
        ("classes", report.classes),
    ]
    for label, value in rows:
        table.add_row(label, value if isinstance(value, str) else f"{value:,}")
    table.add_section()
    for name, uses in report.names:
        table.add_row(Text(name), f"{uses:,}")
    table.columns[1].justify = "right"
    console.print(table)
    tool = command()
    console.print(f"Look at the dead, and at the rest:  {tool} dead --redis embedded", markup=False, soft_wrap=True)
    console.print(f"                                    {tool} stats --redis embedded", markup=False, soft_wrap=True)


def command() -> str:
    """How `fastkiq` is to be typed here: in a clone it is not on the PATH."""
    script = Path(sys.executable).with_name("fastkiq")
    return os.path.relpath(script) if script.is_relative_to(Path.cwd()) else str(script)


def main() -> int:
    parser = argparse.ArgumentParser(description="Count Python's own source, one job a file.")
    parser.add_argument("--limit", type=int, metavar="N", help="take the first N files only")
    parser.add_argument("--json", action="store_true", help="print the totals as JSON")
    options = parser.parse_args()
    fastkiq.configure(redis_url="embedded")
    console = Console(stderr=options.json)
    try:
        report, wrong = take_census(options.limit, console)
    except KeyboardInterrupt:
        console.print("census: stopped. What is not counted yet stays in the queue; the next census starts afresh.")
        return 130
    if options.json:
        print(json.dumps(asdict(report)))
    else:
        show(report, console)
    for complaint in wrong:
        console.print(f"census: {complaint}", style="red", markup=False)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
