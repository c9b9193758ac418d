"""The three modes: pushes kept, run at once, or sent to Redis."""

import time
from collections.abc import Iterable, Sequence
from typing import Literal, overload

from fastkiq import client
from fastkiq.errors import FastkiqError
from fastkiq.outlets import Payload, Push
from fastkiq.testing import modes
from fastkiq.testing.jobs import Jobs, keeping
from fastkiq.testing.kept import Kept
from fastkiq.testing.modes import Block, Means, Mode
from fastkiq.testing.records import Records


def fake(*, everywhere: bool = False) -> Block[Jobs]:
    """Keeps jobs instead of sending them to Redis: `with fake() as jobs:`, or a decorator.

    It holds for this thread or task and the tasks that it starts; with `everywhere` also for all threads that are in no
    mode of their own. Client middleware runs, arguments are checked, and the jobs are kept as JSON. Modes nest, and
    the innermost one counts.
    """
    return Block(_fake, everywhere=everywhere)


def inline(*, everywhere: bool = False) -> Block[None]:
    """Runs jobs at the push, in the pushing thread: client middleware, JSON and back, server middleware, `perform`.

    Scheduled jobs run at once too. Nothing is retried: what a job raises, comes out of the push, Snooze and Retry too.
    An asynchronous job pushed inside of an event loop needs `aperform_async`; it then runs on a loop of its own.
    """
    return Block(_inline, everywhere=everywhere)


def disabled(*, everywhere: bool = False) -> Block[None]:
    """Sends jobs to Redis, as in production, inside of another mode."""
    return Block(lambda: Means(_send, time.time, None, None), everywhere=everywhere)


@overload
def set_mode(mode: Literal["fake"]) -> Jobs: ...
@overload
def set_mode(mode: Literal["inline", "disabled"]) -> None: ...
def set_mode(mode: Literal["fake", "inline", "disabled"]) -> Jobs | None:
    """The mode of all threads that are in none by a `with` block or a decorator, until the next `set_mode`.

    For a `conftest.py`, say. Answers the jobs of the mode "fake". "disabled" is how a program starts.
    """
    global _lasting
    if mode not in ("fake", "inline", "disabled"):
        raise FastkiqError(f"the modes are 'fake', 'inline' and 'disabled', not {mode!r}")
    if _lasting is not None:
        modes.end(_lasting)
        _lasting = None
    if mode == "disabled":
        return None
    means = _fake() if mode == "fake" else _inline()
    _lasting = modes.begin(means, everywhere=True, here=False, lowest=True)
    return means.given


_lasting: Mode | None = None


def jobs() -> Jobs:
    """The jobs of the mode that holds here. Raises FastkiqError when that is not `fake()`."""
    mode = modes.current()
    if mode is None or not isinstance(mode.means.given, Jobs):
        raise FastkiqError("no jobs are kept here: write `with fastkiq.testing.fake():` around, or use fastkiq_jobs")
    return mode.means.given


def _fake() -> Means[Jobs]:
    return keeping(Jobs())


def _inline() -> Means[None]:
    records = Records(time.time)

    def run_at_once(payloads: Iterable[Payload], _push: Push) -> list[str]:
        __tracebackhide__ = True
        from fastkiq.testing.runs import Runner

        config = client.default().config
        jids: list[str] = []
        for payload in payloads:
            kept = Kept(payload, time.time, config.compat, now=True)
            records.begin([kept])
            Runner(config, time.time, retries=False, steered=False).run(kept)
            jids.append(kept.jid)
        return jids

    return Means(run_at_once, time.time, records, None)


def _send(payloads: Iterable[Payload], push: Push) -> Sequence[str]:
    return push(payloads)
