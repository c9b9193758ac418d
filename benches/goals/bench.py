"""What every family of goals is given: a server, a folder, the interpreter with fastkiq in it, sizes and results."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import redis
from lab.process import run
from lab.rounds import Contender, Results, interleave
from lab.server import PrivateServer

APPS = Path(__file__).with_name("apps")
"""What runs on the interpreter of the timed sides; no package, so that the jobs have the names of a plain file."""
DOCUMENT = json.dumps(
    {"id": 4711, "name": "bob", "mail": "bob@example.org", "tags": ["a", "b", "c"], "about": "x" * 210}
)
"""About 300 bytes, as benches/compare uses: what a job of the middle of the road reads."""


@dataclass
class Bench:
    """One run of the goals. `scale`: 1.0, or less to try something out: what is measured then proves nothing."""

    server: PrivateServer
    folder: Path
    python: Path
    results: Results
    rounds: int
    scale: float = 1.0
    _serial: "count[int]" = field(default_factory=count)

    def jobs(self, number: int) -> int:
        """So many jobs, on this scale."""
        return max(100, int(number * self.scale))

    def measure(self, workload: str, contenders: Mapping[str, Contender], rounds: int | None = None) -> None:
        """The contenders in turn, each on an empty database 0."""
        fresh = {name: self._fresh(each) for name, each in contenders.items()}
        interleave(workload, fresh, rounds or self.rounds, self.results)

    def path(self, name: str) -> Path:
        """A file that nobody has used, in the folder of this run."""
        return self.folder / f"{name}-{next(self._serial)}"

    @property
    def side_url(self) -> str:
        """Another database of the same server, with the document in it."""
        return self.server.url.removesuffix("/0") + "/2"

    def enqueue(self, *words: str | int | float) -> dict[str, float]:
        """One run of enqueue.py; what it prints."""
        return self.child("enqueue.py", *words)

    def bare(self, *words: str | int | float) -> dict[str, float]:
        """One run of bare.py; what it prints."""
        return self.child("bare.py", *words)

    def child(self, script: str, *words: str | int | float) -> dict[str, float]:
        command = [str(self.python), str(APPS / script), *map(str, words)]
        told: dict[str, float] = json.loads(run(command, {"FASTKIQ_REDIS_URL": self.server.url}, self.folder, 300))
        return told

    def _fresh(self, contender: Contender) -> Contender:
        def measured(number: int) -> Any:
            self.server.client.flushdb()
            with redis.Redis(host="127.0.0.1", port=self.server.port, db=2) as side:
                side.set("goals:document", DOCUMENT)
                side.set("compare:doc", DOCUMENT)
            try:
                return contender(number)
            finally:
                self.server.client.flushdb()

        return measured


def wait_for(predicate: Callable[[], object], seconds: float, what: str, gone: Callable[[], str | None]) -> None:
    """Until true, asked every 10 ms, which takes less than 1 % of a core from the contenders. RuntimeError after
    `seconds`, or as soon as `gone` says why it never will be."""
    deadline = time.monotonic() + seconds
    while not predicate():
        if reason := gone():
            raise RuntimeError(reason)
        if time.monotonic() > deadline:
            raise RuntimeError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.01)
