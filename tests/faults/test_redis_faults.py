"""Redis, or the way to it, misbehaves under load: work resumes within 2 s, the log says so once, nothing is lost."""

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from faults.lab.books import settle
from faults.lab.crew import Crew
from faults.lab.ledger import Ledger
from faults.lab.load import Load
from faults.lab.results import record
from faults.lab.scale import dice, scaled
from faults.lab.usage import Usage, needs_proc
from proxy import Proxy
from servers import Server, wait_until

NewCrew = Callable[..., Crew]


@dataclass
class Scene:
    """What a fault works on. The workers reach the server through the proxy."""

    server: Server
    proxy: Proxy
    seconds: float
    """How long the fault lasts."""


Fault = Callable[[Scene], None]


def restart(scene: Scene) -> None:
    scene.server.stop()
    time.sleep(scene.seconds)
    scene.server.start()


def killed(scene: Scene) -> None:
    scene.server.kill()
    time.sleep(scene.seconds)
    scene.server.start()


def connections_killed(scene: Scene) -> None:
    """Each 100 ms."""
    until = time.monotonic() + scene.seconds
    with scene.server.client() as redis:
        while time.monotonic() < until:
            redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            time.sleep(0.1)


def paused(scene: Scene) -> None:
    with scene.server.client() as redis:
        redis.execute_command("CLIENT", "PAUSE", int(scene.seconds * 1000), "ALL")
    time.sleep(scene.seconds)


def scripts_flushed(scene: Scene) -> None:
    until = time.monotonic() + scene.seconds
    with scene.server.client() as redis:
        while time.monotonic() < until:
            redis.script_flush()


def loading(scene: Scene) -> None:
    """A start that takes its time: the server answers -LOADING."""
    with scene.server.client() as redis:
        redis.mset({f"ballast:{number}": "x" for number in range(1000)})
        redis.bgrewriteaof()
        wait_until(lambda: redis.info("persistence")["aof_rewrite_in_progress"] == 0, 10, "a compact file")
        before = scene.server.options
        delay = f"key-load-delay {int(scene.seconds * 1000)}"  # microseconds a key
        scene.server.options = (*before, delay, "loading-process-events-interval-bytes 1024")
        scene.server.stop()
        scene.server.start()
        scene.server.options = before
        wait_until(lambda: redis.info("persistence")["loading"] == 0, 30, "the data")


def busy(scene: Scene) -> None:
    """A script that does not end: the server answers -BUSY."""
    with scene.server.client() as redis:
        redis.config_set("busy-reply-threshold", 50)
        with socket.create_connection(("127.0.0.1", scene.server.port)) as line:
            line.sendall(b"*3\r\n$4\r\nEVAL\r\n$17\r\nwhile true do end\r\n$1\r\n0\r\n")
            time.sleep(scene.seconds)
            redis.script_kill()


def read_only(scene: Scene) -> None:
    with scene.server.client() as redis:
        redis.replicaof("127.0.0.1", 1)
        time.sleep(scene.seconds)
        redis.replicaof("NO", "ONE")


def resets(scene: Scene) -> None:
    """RST in the middle of a reply."""
    scene.proxy.reset(0.1)
    time.sleep(scene.seconds)
    scene.proxy.reset(0)


def dribble(scene: Scene) -> None:
    """A byte at a time."""
    scene.proxy.dribble()
    time.sleep(scene.seconds)
    scene.proxy.dribble(False)


def silence(scene: Scene) -> None:
    scene.proxy.stall()
    time.sleep(scene.seconds)
    scene.proxy.stall(False)


def garbage(scene: Scene) -> None:
    """Bytes that are no Redis protocol."""
    scene.proxy.garble(0.1)
    time.sleep(scene.seconds)
    scene.proxy.garble(0)


def lost_replies(scene: Scene) -> None:
    until = time.monotonic() + scene.seconds
    while time.monotonic() < until:
        scene.proxy.lose_replies()
        time.sleep(0.02)
        scene.proxy.lose_replies(False)
        time.sleep(0.15)


FAULTS: dict[str, tuple[Fault, float, float]] = {
    # name: (fault, seconds in the short form, in the long one)
    "restart": (restart, 1, 5),
    "kill -9 with AOF": (killed, 1, 5),
    "CLIENT KILL of every connection each 100 ms": (connections_killed, 2, 15),
    "CLIENT PAUSE": (paused, 3, 10),
    "SCRIPT FLUSH all the time": (scripts_flushed, 1, 10),
    "-LOADING": (loading, 1, 5),
    "-BUSY": (busy, 1.5, 8),
    "-READONLY": (read_only, 1, 8),
    "RST in the middle of replies": (resets, 1.5, 15),
    "a byte at a time": (dribble, 1.5, 15),
    "silence": (silence, 3, 30),
    "garbage instead of RESP": (garbage, 1.5, 15),
    "lost replies": (lost_replies, 1.5, 15),
}


SILENT = (restart, killed, paused, loading, busy, silence)
COMPLAINTS = ("out of reach", "Redis refuses", "not a Redis server")


@needs_proc
@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", FAULTS)
def test_work_goes_on(
    crew: NewCrew, start_server: Callable[..., Server], ledger: Ledger, tmp_path: Path, name: str
) -> None:
    fault, short, long = FAULTS[name]
    seconds = scaled(short, long)
    chance = dice(name)
    own = start_server("appendonly yes", "appendfsync always")
    with Proxy(own.port, seed=chance.randrange(1000)) as proxy:
        workers = crew(proxy.url, "-c", "5", "-t", "5")
        for _ in range(2):
            workers.start()
        workers.ready()
        load = Load(own.url, chance.randrange(10**9), backlog=100)
        load.done = lambda: len(ledger.read().ended)
        load.start()
        try:
            wait_until(lambda: load.done() > 100, 20, "some work")
            usage = Usage([worker.pid for worker in workers.workers])
            started = time.monotonic_ns()
            fault(Scene(own, proxy, seconds))
            back = time.monotonic_ns()
            cpu, growth = usage.cpu(), usage.growth_kib()
            begun = wait_until(lambda: ledger.first_after(back), 10, "work")
            time.sleep(0.3)
        finally:
            jobs = load.stop()
        with own.client() as redis:
            found = settle(redis, ledger, jobs)
        outputs = [worker.child.output() for worker in workers.workers]
        workers.stop()
    resumed = (begun.begun - back) / 1e9
    ran_twice = len(ledger.repeated())
    lines = max(sum(output.count(words) for words in COMPLAINTS) for output in outputs)
    record(
        name,
        faults=1,
        seconds=seconds,
        jobs=found.jobs,
        lost=len(found.lost),
        twice=ran_twice,
        uncertain=len(load.uncertain),
        resumed_s=resumed,
        cpu_share=cpu,
        growth_kib=growth,
        log_lines=lines,
    )
    assert resumed < 2
    assert growth < 16_000
    if fault in SILENT:
        assert cpu < 0.25, "a busy loop while Redis is away"
    # No storm of duplicates: what ran twice ran, or had just ended, while the fault lasted.
    strays = [run for run, _ in ledger.repeated() if run.begun > back or (run.ended or back) < started - 50_000_000]
    assert not strays, strays[:10]
    assert not load.refused & ledger.ended, "a push that was refused took place"
    assert lines <= 2, outputs  # one for what the fault is, and one where connections cannot be made meanwhile
