"""Real Ruby for the tests: short scripts of this folder, `sidekiq` processes, and what both sides' workers share."""

import json
import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import redis as redis_py

from children import Child, clean_environment

FOLDER = Path(__file__).parent
COMMAND = shlex.split(os.environ.get("FASTKIQ_RUBY", ""))

APP = """
import json
import fastkiq
from fastkiq.client import default

def note(key, *values):
    default().core.command("RPUSH", key, json.dumps(values))

class Echo(fastkiq.Worker, name="Echo"):
    def perform(self, *args):
        note("ledger", "python", self.jid, args)

class Boom(fastkiq.Worker, name="Boom", retry=3, backtrace=20):
    @classmethod
    def retry_in(cls, count, error, job):
        return 300

    def perform(self, *args):
        raise ValueError("boom <b>é\u2028 from Python")

class LastBoom(fastkiq.Worker, name="LastBoom", retry=0, backtrace=True, tags=["a", "ü"]):
    def perform(self, *args):
        raise ValueError("the last one")

class Due(fastkiq.Worker, name="Due"):
    def perform(self, number):
        note("ledger", "python", self.jid, number)
        payload = self.job.payload
        note("moved", payload.get("moved_by", "python"), payload["unheard"])
"""
"""The Python half of workers.rb."""


class RubyError(RuntimeError):
    """A script failed; carries what it printed."""


class Ruby:
    """Runs scripts of this folder against one Redis. Those given an `adapter` have the Active Jobs of rails.rb."""

    def __init__(self, redis_url: str, folder: Path) -> None:
        self._folder = folder
        # A Ruby that knows no locale would take all text for ASCII.
        self._environment = clean_environment({"REDIS_URL": redis_url, "LC_ALL": "C.UTF-8", "LANG": "C.UTF-8"})
        self._children: list[Child] = []

    def __call__(self, script: str, /, **given: Any) -> Any:
        """The answer of `script`.rb; raises RubyError with its errors."""
        # By standard input: one word of a command line holds 128 KiB.
        ran = subprocess.run(
            [*_program(script, given), "-"],
            input=json.dumps(given).encode(),
            capture_output=True,
            env=self._environment,
            timeout=50,
        )
        if ran.returncode:
            raise RubyError(f"{script}.rb ended with {ran.returncode}:\n{ran.stderr.decode(errors='replace')}")
        return json.loads(ran.stdout) if ran.stdout else None

    def serve(self, *options: str, **given: Any) -> Child:
        """A `sidekiq` process that has started; `options` are those of its command line."""
        words = [*_program("serve", given), json.dumps({"options": options, **given})]
        child = Child(words, self._folder, self._environment)
        self._children.append(child)
        child.wait_for("startup", 20)
        return child

    def close(self) -> None:
        """Ends the processes."""
        for child in self._children:
            child.close()


def _program(script: str, given: dict[str, Any]) -> list[str]:
    """The program goes into the command line: a Ruby in a folder of its own does not see this one."""
    names = ["prelude", "workers", *(["rails"] if "adapter" in given else []), script]
    parts = [(FOLDER / f"{name}.rb").read_text(encoding="utf-8") for name in names]
    return [*COMMAND, "-e", "\n".join(parts)]


def ledger(redis: redis_py.Redis) -> list[Any]:
    """What has been run so far: [side, jid, arguments] each."""
    return [json.loads(entry) for entry in redis.lrange("ledger", 0, -1)]


def entries(redis: redis_py.Redis, key: str) -> list[tuple[dict[str, Any], float]]:
    """A sorted set's payloads and scores."""
    return [(json.loads(member), score) for member, score in redis.zrange(key, 0, -1, withscores=True)]
