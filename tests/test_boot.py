"""Boot checks, --drain's judgement, signals, and what the launcher tells the core."""

import os
import select
import signal
import sys

import pytest

import fastkiq
from fastkiq import registry
from fastkiq.boot_checks import BootError, RoundTrips, refuse_old, warnings
from fastkiq.config import Config
from fastkiq.drain import Drain
from fastkiq.events import fire
from fastkiq.launcher import server_options, unserved
from fastkiq.signals import Signals


@pytest.mark.parametrize("version", ["6.0.16", "5.0", "2.8.9"])
def test_old_servers_are_refused(version: str) -> None:
    with pytest.raises(BootError, match=r"6\.2 or newer"):
        refuse_old({"redis_version": version})


@pytest.mark.parametrize("version", ["6.2.0", "7.0.15", "7.2.4", "10.0", "", "odd", "9"])
def test_others_are_not(version: str) -> None:
    refuse_old({"redis_version": version})


def test_what_can_lose_jobs_is_said() -> None:
    assert warnings({}) == []
    assert warnings({"maxmemory_policy": "noeviction", "aof_enabled": "1", "rdb_saves": ""}) == []
    assert "noeviction" in warnings({"maxmemory_policy": "allkeys-lru"})[0]
    assert "loses every job" in warnings({"aof_enabled": "0", "rdb_saves": ""})[0]
    (snapshots,) = warnings({"aof_enabled": "0", "rdb_saves": "3600 1"})
    assert "snapshots" in snapshots
    assert "CONFIG SET appendonly yes on the running server" in snapshots
    assert "keys that expire" in warnings({"maxmemory_policy": "volatile-ttl"})[0]


def test_slow_round_trips_are_said_once_for_each_bad_time() -> None:
    trips = RoundTrips()
    said = [trips.beat(0.08) for _ in range(12)]
    assert [index for index, warning in enumerate(said) if warning] == [4]
    assert trips.beat(0.001) is None
    assert [bool(trips.beat(0.08)) for _ in range(5)] == [False] * 4 + [True]


def test_no_hook_of_the_stop_ends_the_process_before_its_time() -> None:
    config, seen = Config(), list[BaseException]()
    config.error_handlers.append(lambda error, context: seen.append(error))
    config.on("shutdown", lambda: sys.exit(3))
    fire(config, "shutdown")
    assert [type(error) for error in seen] == [SystemExit]
    config.on("startup", lambda: sys.exit(3))
    with pytest.raises(SystemExit):
        fire(config, "startup")


class Looks:
    """A server's counters, as `Drain` reads them."""

    def __init__(self) -> None:
        self.busy, self.processed, self.failed = 0, 0, 0
        self.left = (0, 0, 0)

    def pending(self, horizon: float) -> tuple[int, int, int]:
        return self.left


def test_drain_wants_three_looks_that_agree() -> None:
    server = Looks()
    drain = Drain(server, 0)  # type: ignore[arg-type]
    assert [drain.look() for _ in range(4)] == [False, False, False, True]
    server.processed = 1
    assert [drain.look() for _ in range(3)] == [False] * 3, "a job came and went in between"
    assert drain.look()
    for busy, left in ((1, (0, 0, 0)), (0, (1, 0, 0)), (0, (0, 1, 0))):
        server.busy, server.left = busy, left
        assert not drain.look()
    server.busy, server.left = 0, (0, 0, 3)
    assert [drain.look() for _ in range(3)] == [False, False, True]
    assert drain.report() == "drained: 1 job run, 0 failed; 3 wait for a later time in retry and schedule"


def test_signals_wait_to_be_taken_and_leave_no_trace() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Signals() as signals:
        assert signals.take() == []
        for number in (signal.SIGTTIN, signal.SIGTERM, signal.SIGINT, signal.SIGTSTP):
            os.kill(os.getpid(), number)
        assert select.select([signals], [], [], 5)[0]
        assert sorted(signals.take()) == ["INT", "TERM", "TSTP", "TTIN"]
    assert signal.getsignal(signal.SIGTERM) == before
    assert signal.set_wakeup_fd(-1) == -1


@pytest.mark.skipif(not hasattr(signal, "SIGRTMIN"), reason="macOS has no real-time signals")
def test_signals_of_others_are_passed_over() -> None:
    number = signal.SIGRTMIN + 1  # the enumeration of signals does not know it
    before = signal.signal(number, lambda *_: None)
    try:
        with Signals() as signals:
            os.kill(os.getpid(), number)
            os.kill(os.getpid(), signal.SIGTERM)
            assert select.select([signals], [], [], 5)[0]
            assert signals.take() == ["TERM"]
    finally:
        signal.signal(number, before)


def test_signals_interrupt_what_may_hang() -> None:
    with Signals() as signals:
        for number, error in ((signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)):
            with pytest.raises(error), signals.interrupting():
                signal.raise_signal(number)
        signals.take()
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.take() == ["TERM"], "outside it waits to be taken"


def test_a_signal_to_a_forked_child_does_not_reach_its_parent() -> None:
    with Signals() as signals:
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(writer, b"\0")
            signal.pause()
            os._exit(3)
        os.read(reader, 1)
        os.kill(child, signal.SIGTERM)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM
        assert signals.take() == []
        os.close(reader)
        os.close(writer)


def test_workers_whose_queue_nobody_serves_are_named() -> None:
    names = registry.snapshot()
    try:
        registry.restore({})

        class Served(fastkiq.Worker):
            def perform(self) -> None: ...

        class Elsewhere(fastkiq.Worker, queue="mail", retry_queue="slow"):
            def perform(self) -> None: ...

        found = unserved(Config())
        assert [line.partition(" of ")[0] for line in found] == [
            "this process does not serve the queue 'mail'",
            "this process does not serve the queue 'slow'",
        ]
        assert all("Elsewhere" in line for line in found)
        assert unserved(Config(queues=["default", "mail", "slow"])) == []
    finally:
        registry.restore(names)


def test_the_settings_in_the_cores_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DYNO", "web.1")
    options = server_options(Config(queues=["a,2", "b"], concurrency=3, tag="t", lease=2.0))
    assert options["queues"] == [("a", 2), ("b", 1)]
    assert (options["concurrency"], options["tag"], options["lease"], options["hostname"]) == (3, "t", 2.0, "web.1")
