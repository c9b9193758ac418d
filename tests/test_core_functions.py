"""The core's functions beside its classes."""

import subprocess
import sys
import threading

import pytest

from fastkiq import _core


def test_raise_in_thread() -> None:
    begun, caught = threading.Event(), threading.Event()

    class Stop(BaseException):
        pass

    def spin() -> None:
        try:
            begun.set()
            while not caught.wait(0.01):
                pass
        except Stop:
            caught.set()

    thread = threading.Thread(target=spin)
    thread.start()
    assert begun.wait(5)
    assert thread.ident is not None
    assert _core.raise_in_thread(thread.ident, Stop)
    thread.join(5)
    assert caught.is_set()
    assert not _core.raise_in_thread(1, Stop)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems keep the command line elsewhere")
def test_blank_title() -> None:
    program = """
import pathlib, sys
from fastkiq import _core
shown = lambda: pathlib.Path("/proc/self/cmdline").read_bytes()
assert b"hunter2" in shown()
assert _core.blank_title("hunter2")
assert b"hunter2" not in shown() and b"redis://:*******@h" in shown(), shown()
assert sys.argv[1] == "redis://:hunter2@h"
assert not _core.blank_title("hunter2")
assert not _core.blank_title("")
"""
    subprocess.run([sys.executable, "-c", program, "redis://:hunter2@h"], check=True, timeout=30)
