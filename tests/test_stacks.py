"""Stacks as readers get them: bounded, from the job on, innermost last."""

import asyncio
import json
import sys
import threading
from collections.abc import Generator
from types import SimpleNamespace
from typing import Any

import pytest

from fastkiq import stacks
from fastkiq.errors import RedisError
from fastkiq.stacks import Stacks, collect, cut, of_coroutine, of_frame


class FakeServer:
    """A core whose jobs run on these threads."""

    def __init__(self, *running: tuple[str, str, str, float, str]) -> None:
        self._running = list(running)
        self.shown: list[dict[str, str]] = []
        self.refuses = False

    def running(self) -> list[tuple[str, str, str, float, str]]:
        return self._running

    def show_stacks(self, fields: dict[str, str]) -> None:
        if self.refuses:
            raise RedisError("no")
        self.shown.append(fields)


def this_thread(seat: str) -> Any:
    return SimpleNamespace(seat=seat, ident=threading.get_ident())


def test_bytes_are_cut_at_a_whole_character() -> None:
    assert cut("aé", 2) == "a"
    assert cut("a\udc80", 9) == "a?"


def test_lines_are_bounded() -> None:
    code = compile("def long():\n    return sys._getframe()", "x" * 5_000, "exec")
    names: dict[str, Any] = {"sys": sys}
    exec(code, names)
    assert len(of_frame(names["long"]())[-1]) == stacks.LONGEST_LINE


def test_a_thread_between_two_jobs_is_shown_whole() -> None:
    assert of_frame(None) == []
    assert of_frame(sys._getframe())[-2].endswith(":in test_a_thread_between_two_jobs_is_shown_whole")


def test_generators_are_followed_as_coroutines_are() -> None:
    class Bare:
        def __await__(self) -> Generator[None, None, None]:
            yield

    async def inner() -> None:
        await Bare()

    async def outer() -> None:
        await inner()

    coroutine = outer()
    coroutine.send(None)
    shown = [line.rsplit(".", 1)[1] for line in of_coroutine(coroutine)[::2]]
    assert shown == ["outer", "inner", "__await__"]
    coroutine.close()
    assert of_coroutine(coroutine) == []


def test_what_is_told_of_all_jobs_together_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacks, "MOST_OF_ALL", 10_000)
    server: Any = FakeServer(*(("t", "c" * 9_000, "j" * 9_000, 0.0, str(number)) for number in range(9)))
    fields = collect(server, [this_thread("t")], None)
    told = [json.loads(fields[str(number)]) for number in range(9)]
    assert told[0]["stack"][-2].endswith(":in collect")
    assert told[8]["stack"] == ["(more stacks than are shown at once)"]
    assert {len(entry["class"]) for entry in told} == {stacks.LONGEST_LINE}


def test_what_has_ended_meanwhile_is_left_out() -> None:
    server: Any = FakeServer(("t", "C", "j", 0.0, "1"), ("gone", "C", "j", 0.0, "2"))
    assert collect(server, [this_thread("t")], None).keys() == {"at", "threads", "1"}


def test_a_refusal_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    server: Any = FakeServer()
    server.refuses = True
    asked = Stacks(server, [], lambda: None)
    asked.ask()
    assert asked._thread is not None
    asked._thread.join(10)
    assert "could not be shown: no" in caplog.text
    server.refuses = False
    asked.ask()
    asked._thread.join(10)
    assert len(server.shown) == 1


def test_a_coroutine_of_a_running_loop() -> None:
    async def main() -> list[str]:
        task = asyncio.create_task(asyncio.sleep(60))
        await asyncio.sleep(0)
        shown = of_coroutine(task.get_coro())
        task.cancel()
        return shown

    assert asyncio.run(main())[0].endswith(":in sleep")
