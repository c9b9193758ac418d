"""The embedded server on a real disk that is full, fills up or is read-only, and many starters amid leftovers."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis as redis_py

import fastkiq
from children import clean_environment
from embedded_kit import LINGER, end, gone, own_folder, server_pid, supervisor_pid
from fastkiq import embedded
from fastkiq.errors import EmbeddedError, RedisError
from faults.lab.crew import Crew
from faults.lab.ledger import Ledger
from faults.lab.results import record
from faults.lab.scale import scaled
from servers import wait_until

PAGE = 4096
NewCrew = Callable[..., Crew]


@pytest.fixture(autouse=True)
def linger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTKIQ_EMBEDDED_LINGER", str(LINGER))


class Disk:
    """A file system in memory, of so many bytes."""

    def __init__(self, at: Path, size: int) -> None:
        self.at, self.folder, self._ballast = at, at / "data", at / "ballast"
        at.mkdir()
        self._mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(at))

    def _mount(self, *words: str) -> None:
        done = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def fill(self, leave: int = 0) -> None:
        """Until so many bytes are free."""
        ballast = os.open(self._ballast, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        with contextlib.suppress(OSError):  # the server may be faster with the last page
            while os.statvfs(self.at).f_bavail * PAGE > leave:
                os.write(ballast, b"\0" * PAGE)
        os.close(ballast)

    def clear(self) -> None:
        self._ballast.unlink()

    def read_only(self, yes: bool) -> None:
        self._mount("-o", f"remount,{'ro' if yes else 'rw'}", str(self.at))

    def close(self) -> None:
        end(self.folder)
        subprocess.run(["umount", "-l", str(self.at)], check=True)


@pytest.fixture
def new_disk(tmp_path: Path) -> Iterator[Callable[[int], Disk]]:
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root can mount a small file system (Linux)")
    disks: list[Disk] = []

    def make(size: int) -> Disk:
        try:
            disks.append(Disk(tmp_path / f"disk{len(disks)}", size))
        except AssertionError as error:
            pytest.skip(f"no file system can be mounted here: {error}")
        return disks[-1]

    yield make
    for disk in disks:
        disk.close()


def queued(folder: Path) -> list[str]:
    with redis_py.Redis.from_url(embedded.ensure(folder)) as redis:
        return [json.loads(payload)["jid"] for payload in redis.lrange("queue:default", 0, -1)]


def client(folder: Path) -> fastkiq.Client:
    return fastkiq.Client(embedded.ensure(folder))


def test_a_disk_with_hardly_any_room_at_the_start(new_disk: Callable[[int], Disk]) -> None:
    """Page by page, down to none: it starts, or says that there is no room; there is nothing else."""
    disk = new_disk(64 * PAGE)
    told: list[str] = []
    for pages in (0, 1, 2, 3, 4, 5, 6, 8, 12):
        disk.fill(pages * PAGE)
        try:
            embedded.ensure(disk.folder)
        except (EmbeddedError, fastkiq.errors.ConfigError) as error:
            told.append(str(error))
            wait_until(lambda: not disk.folder.exists() or gone(disk.folder), 10, "nothing to be left of the attempt")
        else:
            end(disk.folder)
        disk.clear()
    assert all("No space left on device" in text for text in told), told
    jid = client(disk.folder).push("app.Job")
    assert queued(disk.folder) == [jid]
    assert told
    record("embedded: no room at the start", faults=9, jobs=1, lost=0, refused=len(told))


@pytest.mark.timeout(90)
def test_a_disk_that_fills_up_under_load(
    new_disk: Callable[[int], Disk], crew: NewCrew, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real pushes and real workers: refused while there is no room, and all that was taken runs once there is."""
    disk = new_disk(8 << 20)
    monkeypatch.setenv("FASTKIQ_EMBEDDED_DIR", str(disk.folder))
    here = client(disk.folder)
    workers = crew("embedded", "-c", "4")
    workers.start(FASTKIQ_EMBEDDED_DIR=str(disk.folder), FASTKIQ_EMBEDDED_LINGER="30")
    workers.ready()
    pushed: set[int] = set()
    refused: dict[int, str] = {}
    stop = threading.Event()

    def produce() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            try:
                here.push("app.Work", number, 0.001)
                pushed.add(number)
            except RedisError as error:
                refused[number] = f"{type(error).__name__}: {error}"
                stop.wait(0.02)

    producer = threading.Thread(target=produce)
    producer.start()
    try:
        for _ in range(scaled(2, 10)):
            seen, taken = len(refused), len(pushed)
            wait_until(lambda taken=taken: len(pushed) > taken + 100, 15, "pushes")
            disk.fill()
            wait_until(lambda seen=seen: len(refused) > seen + 5, 15, "refusals")
            disk.clear()
    finally:
        stop.set()
        producer.join(10)
    wait_until(lambda: pushed <= ledger.read().ended, 30, "all that was taken to run")
    workers.stop()
    assert all("MISCONF" in text for text in refused.values()), set(refused.values())
    assert not refused.keys() & ledger.ended, "a push that was refused took place"
    record(
        "embedded: the disk fills up",
        faults=scaled(2, 10),
        jobs=len(pushed),
        lost=len(pushed - ledger.ended),
        refused=len(refused),
        twice=len(ledger.repeated()),
    )


def test_a_server_killed_on_a_full_disk_comes_back_with_room(new_disk: Callable[[int], Disk]) -> None:
    """One caller, one push at a time: only the very push that met the full disk may have been answered too early."""
    disk = new_disk(4 << 20)
    here = client(disk.folder)
    taken = [here.push("app.Job", number) for number in range(100)]
    disk.fill()

    def until_refused() -> None:
        while True:
            taken.append(here.push("app.Job", "x" * 500))

    with pytest.raises(RedisError, match="MISCONF"):
        until_refused()
    os.kill(supervisor_pid(disk.folder), signal.SIGKILL)
    os.kill(server_pid(disk.folder), signal.SIGKILL)
    embedded.release(disk.folder)
    wait_until(lambda: gone(disk.folder), 10)
    with pytest.raises(EmbeddedError, match="No space left on device"):
        embedded.ensure(disk.folder)
    disk.clear()
    wait_until(lambda: _usable(disk.folder), 20, "a server with room")
    found = queued(disk.folder)
    lost = [jid for jid in taken if jid not in set(found)]
    record("embedded: kill -9 on a full disk", faults=1, jobs=len(taken), lost=len(lost))
    assert lost in ([], taken[-1:])


def _usable(folder: Path) -> bool:
    try:
        return bool(embedded.ensure(folder))
    except EmbeddedError:
        return False


def test_a_read_only_disk_is_told_and_its_jobs_are_kept(new_disk: Callable[[int], Disk]) -> None:
    disk = new_disk(8 << 20)
    disk.read_only(True)
    with pytest.raises(fastkiq.errors.ConfigError, match=r"Read-only file system.*FASTKIQ_EMBEDDED_DIR"):
        embedded.ensure(disk.folder)
    disk.read_only(False)
    jids = list(client(disk.folder).push_bulk("app.Job", [(number,) for number in range(1000)]))
    end(disk.folder)
    disk.read_only(True)
    with pytest.raises(EmbeddedError, match=r"cannot write in .*Read-only file system.*FASTKIQ_EMBEDDED_DIR"):
        embedded.ensure(disk.folder)
    disk.read_only(False)
    found = queued(disk.folder)
    record("embedded: a read-only folder", faults=2, jobs=len(jids), lost=len(set(jids) - set(found)))
    assert sorted(found) == sorted(jids)


STARTER = """
import sys
from pathlib import Path
import fastkiq
from fastkiq import embedded

sys.stdin.read()
client = fastkiq.Client(embedded.ensure(Path(sys.argv[1])))
for number in range(20):
    print(client.push("app.Job", number), flush=True)
"""


@pytest.mark.timeout(90)
def test_ten_start_at_once_amid_leftovers(tmp_path: Path) -> None:
    """Of a power cut: locks with the pids of others who live, a dead socket, an address that leads nowhere."""
    innocent = subprocess.Popen(["sleep", "60"])
    rounds = scaled(3, 20)
    acknowledged: list[str] = []
    slowest = 0.0
    try:
        with own_folder(tmp_path) as folder:
            acknowledged.append(str(client(folder).push("app.Job")))
            for number in range(rounds):
                for pid in (supervisor_pid(folder), server_pid(folder)):
                    os.kill(pid, signal.SIGKILL)
                embedded.release(folder)
                wait_until(lambda: gone(folder), 10)
                (folder / "fastkiq.lock").write_text(f"{innocent.pid}\n")
                (folder / "server.lock").write_text(f"{innocent.pid}\n")
                if number % 2:
                    (folder / "address").write_text(str(tmp_path / "nowhere.sock"))
                begun = time.monotonic()
                acknowledged += _start_ten(folder, tmp_path)
                slowest = max(slowest, time.monotonic() - begun)
                embedded.ensure(folder)
            found = queued(folder)
    finally:
        alive = innocent.poll() is None
        innocent.kill()
        innocent.wait(10)
    assert alive, "a process that only has a pid from a stale file was ended"
    assert sorted(found) == sorted(acknowledged)
    record(
        "embedded: ten start at once amid leftovers",
        faults=rounds,
        jobs=len(acknowledged),
        lost=len(set(acknowledged) - set(found)),
        slowest_s=slowest,
    )


def _start_ten(folder: Path, at: Path) -> list[str]:
    environment = clean_environment({"FASTKIQ_EMBEDDED_LINGER": "5"})
    starters = [
        subprocess.Popen(
            [sys.executable, "-c", STARTER, str(folder)],
            cwd=at,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(10)
    ]
    for starter in starters:
        assert starter.stdin is not None
        starter.stdin.close()
        starter.stdin = None
    answers = [starter.communicate(timeout=40) for starter in starters]
    assert all(starter.returncode == 0 for starter in starters), answers
    assert sum("embedded server started" in errors for _, errors in answers) == 1, answers
    return [jid for output, _ in answers for jid in output.split()]
