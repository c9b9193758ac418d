"""`fastkiq top` as it is called: in a real pseudo-terminal, and where there is none."""

import errno
import os
import pty
import re
import select
import signal
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis as redis_py

from children import clean_environment, fastkiq
from proxy import Proxy
from top_kit import add, failed

pytestmark = pytest.mark.timeout(60)

_ESCAPES = re.compile(r"\x1b\[[0-9;?>$]*[a-zA-Z]|\x1b[()][A-Z0-9]|\x1b[=>]")


class Terminal:
    """A child in a terminal of 100 by 30."""

    def __init__(self, arguments: list[str], environment: dict[str, str], cwd: Path) -> None:
        self._ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (30, 100))
        self.before = termios.tcgetattr(theirs)
        self._theirs = theirs
        self.written = ""
        self.process = subprocess.Popen(
            arguments, stdin=theirs, stdout=theirs, stderr=theirs, cwd=cwd, env=environment, start_new_session=True
        )

    @property
    def text(self) -> str:
        """All that was ever to be seen."""
        return _ESCAPES.sub("", self.written)

    def sees(self, *wanted: str, within: float = 20.0) -> None:
        deadline = time.monotonic() + within
        while not all(each in self.text for each in wanted):
            assert time.monotonic() < deadline, f"{wanted} is not in:\n{self.text[-4_000:]}"
            self._read()

    def press(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def ends(self, within: float = 10.0) -> int:
        """The exit code; what it wrote to its end is read."""
        deadline = time.monotonic() + within
        while self.process.poll() is None:
            assert time.monotonic() < deadline, "it goes on"
            self._read()
        while self._read():
            pass
        return self.process.returncode

    def is_restored(self) -> bool:
        """Line mode, the normal screen, a cursor, no reports of mouse, focus and pastes."""
        left = {code: self.written.rfind(f"\x1b[?{code}l") for code in ("1049", "2004", "1004")}
        entered = {code: self.written.rfind(f"\x1b[?{code}h") for code in left}
        shown = self.written.rfind("\x1b[?25h") > self.written.rfind("\x1b[?25l")
        return (
            termios.tcgetattr(self._theirs) == self.before
            and shown
            and all(left[code] > entered[code] for code in left)
        )

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        os.close(self._ours)
        os.close(self._theirs)

    def _read(self) -> bool:
        if not select.select([self._ours], [], [], 0.05)[0]:
            return False
        try:
            self.written += os.read(self._ours, 65_536).decode("utf-8", "replace")
        except OSError as error:
            if error.errno != errno.EIO:  # which says that nobody has the other end open
                raise
            return False
        return True


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def start(*arguments: str, **environment: str) -> Terminal:
        opened.append(
            Terminal(fastkiq("top", *arguments), clean_environment({"TERM": "xterm-256color", **environment}), tmp_path)
        )
        return opened[-1]

    yield start
    for each in opened:
        each.close()


def test_it_is_seen_hears_keys_and_leaves_the_terminal_as_it_was(
    terminal: Callable[..., Terminal], redis: redis_py.Redis, redis_url: str
) -> None:
    add(redis, "retry", [failed(**{"class": "a\x1b]0;title\x07b", "jid": "[red]"})])
    top = terminal("--redis", redis_url)
    top.sees("Processed", "Scheduled", redis_url.removeprefix("redis://").removesuffix("/0"), "0 processed, 0 failed")
    top.press("5")
    top.sees("1-1 of 1", "a\\x1b]0;title\\x07b", "[red]")
    top.press("D")
    top.sees("Delete this job of the retries?")
    top.press("y")
    top.sees("1 job deleted", "no retries")
    assert redis.zcard("retry") == 0
    top.press("qqqjj5\x1b[Cq")  # who is impatient presses more than one key
    assert top.ends() == 0
    assert "Traceback" not in top.text
    assert "\x1b]0;" not in top.written
    assert top.is_restored()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_ends_it_in_order(terminal: Callable[..., Terminal], proxy: Proxy, number: signal.Signals) -> None:
    top = terminal("--read-only", FASTKIQ_REDIS_URL=proxy.url)
    top.sees("0 processed, 0 failed", "read-only")
    proxy.stall()
    top.press("5")
    top.sees("Redis has not answered for")
    top.process.send_signal(number)
    assert top.ends(4) == 0, "at once, whatever Redis does"
    assert top.is_restored()


def test_no_redis_is_told_on_the_screen(terminal: Callable[..., Terminal]) -> None:
    top = terminal("--redis", "redis://:hush@127.0.0.1:1/0")
    top.sees("Redis is away")
    top.press("\x03")
    assert top.ends() == 0
    assert "hush" not in top.text


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["--redis", "redis://127.0.0.1:1"], 1, "fastkiq: top needs a terminal"),
        (["--no-such"], 2, "No such option"),
    ],
)
def test_where_there_is_no_terminal(tmp_path: Path, arguments: list[str], code: int, complaint: str) -> None:
    answer = subprocess.run(
        fastkiq("top", *arguments), capture_output=True, text=True, cwd=tmp_path, env=clean_environment(), timeout=30
    )
    assert (answer.returncode, answer.stdout) == (code, "")
    assert complaint.lower() in answer.stderr.lower()
    assert "Traceback" not in answer.stderr


def test_without_textual_it_says_what_to_install(terminal: Callable[..., Terminal], tmp_path: Path) -> None:
    (tmp_path / "textual").mkdir()
    (tmp_path / "textual" / "__init__.py").write_text("raise ModuleNotFoundError('no', name='textual')")
    top = terminal("--redis", "redis://127.0.0.1:1", PYTHONPATH=str(tmp_path))
    top.sees("top needs textual: pip install 'fastkiq[tui]'")
    assert top.ends() == 1
    assert "Traceback" not in top.text


def test_a_mistake_in_the_url_is_told_before_the_screen_opens(terminal: Callable[..., Terminal]) -> None:
    top = terminal("--redis", "http://127.0.0.1")
    assert top.ends(20) == 2
    assert "\x1b[?1049h" not in top.written
