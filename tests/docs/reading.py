"""Runs a page: every block does what its language says, in a folder of its own."""

import configparser
import json
import os
import re
import select
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable
from contextlib import ExitStack, nullcontext, suppress
from pathlib import Path

import yaml

import fastkiq
from children import clean_environment

from .blocks import Block
from .shell import _REDIS, Shell

SHOWN = {"text", "html", "jinja", "css", "js", "diff", "dockerfile", "nginx", "sql", "markdown", "mermaid"}
"""Languages of which nothing is run."""
PATIENCE = 40.0  # seconds for one block


class Page:
    """Everything that one page starts, and its end."""

    def __init__(self, folder: Path, redis_url: str) -> None:
        self.folder, self.redis_url = folder, redis_url
        self.shell = Shell(folder, redis_url)
        self.python: Python | None = None

    def run(self, block: Block) -> None:
        """Raises AssertionError that begins with the page and the line."""
        if block.not_run is not None or block.language in SHOWN:
            return
        readers: dict[str, Callable[[Block], None]] = {
            "python": self._python,
            "sh": self.shell.run,
            "console": self.shell.run,
            "bash": self.shell.run,
            "toml": self._toml,
            "yaml": self._yaml,
            "ruby": self._ruby,
            "ini": self._ini,
            "json": self._json,
        }
        assert block.language in readers, f"{block.place}: {block.language!r} is none of {', '.join(readers)}, text"
        if block.title is not None and block.language != "python":
            file = self.folder / block.title.lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text)
        readers[block.language](block)

    def __enter__(self) -> "Page":
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        """Ends what the page has started. How well it ends is of no interest after a failure."""
        with suppress(AssertionError) if error is not None else nullcontext(), ExitStack() as stack:
            stack.callback(self.shell.close)
            if self.python is not None:
                stack.callback(self.python.close)

    def _python(self, block: Block) -> None:
        if self.python is None:
            self.python = Python(self.folder, self.shell.variables)
        self.python.run(block, _REDIS.sub(self.redis_url, block.text))

    def _toml(self, block: Block) -> None:
        own = re.search(r"^\[tool\.", block.text, re.MULTILINE)
        name = Path(block.title or ("pyproject.toml" if own else "fastkiq.toml")).name
        with _explained(block):
            if name not in ("pyproject.toml", "fastkiq.toml"):
                tomllib.loads(block.text)
                return
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder, name)
                file.write_text(block.text)
                fastkiq.Config().load(file)

    def _yaml(self, block: Block) -> None:
        with _explained(block):
            if block.text.startswith(":") or "\n:" in block.text or (block.title or "").endswith("sidekiq.yml"):
                with tempfile.TemporaryDirectory() as folder:
                    file = Path(folder, "sidekiq.yml")
                    file.write_text(block.text)
                    fastkiq.Config().load(file)
            else:
                list(yaml.safe_load_all(block.text))

    def _ruby(self, block: Block) -> None:
        ruby = shlex.split(os.environ.get("FASTKIQ_RUBY", "")) or [shutil.which("ruby") or ""]
        if not ruby[-1]:
            return
        checked = subprocess.run([*ruby, "-c"], input=block.text, capture_output=True, text=True, timeout=30)
        assert checked.returncode == 0, f"{block.place}: {checked.stderr}"

    def _ini(self, block: Block) -> None:
        with _explained(block):
            parser = configparser.ConfigParser(strict=False, allow_no_value=True, interpolation=None)
            parser.read_string(block.text if "[" in block.text.splitlines()[0] else f"[part]\n{block.text}")

    def _json(self, block: Block) -> None:
        with _explained(block):
            json.loads(block.text)


class Python:
    """The interpreter that has the page's names."""

    def __init__(self, folder: Path, variables: dict[str, str]) -> None:
        read, write = os.pipe()
        self.printed = (folder / ".printed").open("w+b")
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("namespace.py")), str(write)],
            cwd=folder,
            env=clean_environment(variables),
            stdin=subprocess.PIPE,
            stdout=self.printed,
            stderr=self.printed,
            pass_fds=[write],
            start_new_session=True,
        )
        os.close(write)
        self.answers = os.fdopen(read, "rb")

    def run(self, block: Block, text: str) -> None:
        """One block; what it raised, and what has been printed, is in the AssertionError."""
        assert self.process.stdin is not None
        asked = {"page": block.page, "line": block.line, "text": text, "title": block.title}
        self.process.stdin.write(json.dumps(asked).encode() + b"\n")
        self.process.stdin.flush()
        ready, _, _ = select.select([self.answers], [], [], PATIENCE)
        assert ready, f"{block.place}: not done within {PATIENCE:.0f} s\n{self._told()}"
        answer = self.answers.readline()
        assert answer, f"{block.place}: the interpreter has ended\n{self._told()}"
        error = json.loads(answer)
        assert error is None, f"{block.place}: {error}\n{self._told()}"

    def close(self) -> None:
        """Ends it; what keeps it from ending is a fault of the page."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            code = self.process.wait(15)
            assert code == 0, f"the page's interpreter ended with {code}\n{self._told()}"
        finally:
            self.process.kill()
            self.process.wait(10)
            self.answers.close()
            self.printed.close()

    def _told(self) -> str:
        self.printed.seek(0)
        return self.printed.read().decode(errors="replace")[-4000:]


class _explained:
    """What goes wrong inside is said of the block."""

    def __init__(self, block: Block) -> None:
        self.block = block

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, Exception):
            raise AssertionError(f"{self.block.place}: {error}") from error
