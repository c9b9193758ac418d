"""The command lines of a page, as a reader would type them one after the other."""

import os
import re
import shlex
import sys
from itertools import pairwise
from pathlib import Path

from children import Child, clean_environment
from servers import free_port
from terminal import Terminal

from .blocks import Block

LASTING = {"process": "ready", "web": "http://", "top": "Processed"}
"""Commands that go on until they are stopped, and what they show when they are there."""
_PLACEHOLDER = re.compile(r"\b(JID|ID|KEY|[0-9a-f]{24})\b|web1:4711")
_REDIS = re.compile(r"\b(?:rediss?|unix|redis\+sentinel)://[^\s\"'`),]+|(?<=--redis )URL")


class Shell:
    """Variables that were exported stay, and so does the folder that was gone to.

    A lasting command goes on until the next one, or to the end of its section.
    """

    def __init__(self, folder: Path, redis_url: str) -> None:
        self.folder, self.redis_url, self.where = folder, redis_url, folder / ".where"
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.variables = {"FASTKIQ_REDIS_URL": redis_url, "PATH": path, "PIP_NO_INDEX": "1"}  # nothing is fetched
        self.port = free_port()
        self.lasting: Child | Terminal | None = None
        self.section = 0

    def run(self, block: Block) -> None:
        """Each command of the block, to its end or until it is seen to work; AssertionError with the page and line."""
        if block.section != self.section:
            self.close()
            self.section = block.section
        for line, command in commands(block):
            try:
                self._command(self._here(command))
            except AssertionError as error:
                raise AssertionError(f"{block.page}:{line}: {command}\n{error}") from None

    def close(self) -> None:
        """Ends what still runs. A worker process has to end well."""
        lasting, self.lasting = self.lasting, None
        if isinstance(lasting, Child):
            try:
                code = lasting.stop()
                assert code in (0, -15, 143), f"ended with {code}:\n{lasting.output()}"
            finally:
                lasting.close()
        elif lasting is not None:
            lasting.close()

    def _here(self, command: str) -> str:
        """Servers and ports of the documentation are those of this test, and nothing listens to other machines."""
        command = _REDIS.sub(self.redis_url, command).replace("9292", str(self.port)).replace("0.0.0.0", "127.0.0.1")
        return re.sub(r"(--health )\S+", r"\g<1>0", command)

    def _command(self, command: str) -> None:
        words = shlex.split(command, comments=True)
        exported = re.fullmatch(r"export (\w+)=(\S*)", " ".join(words))
        if exported is not None:
            self.variables[exported[1]] = exported[2]
            return
        if lasting := _lasting(words):
            self.close()
            self._start(command, lasting)
            return
        gone_to = f"{command}\ncode=$?; pwd > {shlex.quote(str(self.where))}; exit $code"
        child = Child(["bash", "-c", gone_to], self.folder, clean_environment(self.variables))
        try:
            code = child.wait(50)
        finally:
            child.close()
        assert code in _fine(command), f"ended with {code}:\n{child.output()}"
        self.folder = Path(self.where.read_text().strip())

    def _start(self, command: str, name: str) -> None:
        words, environment = ["bash", "-c", command], clean_environment(self.variables)
        if name == "top":
            self.lasting = terminal = Terminal(words, self.folder, environment)
            terminal.wait_for(LASTING[name])
            return
        if name == "web" and str(self.port) not in command:
            self.port = free_port()
            words[-1] = command = f"{command.split('#')[0]} --port {self.port}"
        self.lasting = child = Child(words, self.folder, environment)
        child.wait_for(LASTING[name], 30)


def commands(block: Block) -> list[tuple[int, str]]:
    """The commands with their lines: those behind `$ `, if there are such, else all; `\\` goes on in the next line."""
    found: list[tuple[int, str]] = []
    going_on = False
    prompts = any(line.startswith("$ ") for line in block.text.splitlines())
    for at, line in enumerate(block.text.splitlines()):
        if going_on:
            number, before = found.pop()
            found.append((number, before.removesuffix("\\") + line.strip()))
        elif prompts:
            if line.startswith("$ "):
                found.append((block.line + at, line.removeprefix("$ ")))
        elif line.strip() and not line.lstrip().startswith("#"):
            found.append((block.line + at, line.strip()))
        going_on = bool(found) and found[-1][1].endswith("\\")
    return found


def _lasting(words: list[str]) -> str | None:
    """The command's name, if it goes on until it is stopped; also behind `flask`, `manage.py` and the like."""
    if any(word.startswith(("--drain", "--help", "--version")) for word in words) or {"|", ">", "&&"} & set(words):
        return None
    said = (name for before, name in pairwise(words) if Path(before).name == "fastkiq" and name in LASTING)
    return next(said, None)


def _fine(command: str) -> set[int]:
    """The exit codes that say that it was called rightly. 2 never does."""
    if "fastkiq doctor" in command:
        return {0, 1, 3}
    return {0, 1} if _PLACEHOLDER.search(command) else {0}
