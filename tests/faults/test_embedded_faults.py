"""The embedded server under kill -9, full disks, leftovers: nothing acknowledged is lost, the folder stays usable."""

import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis as redis_py
from redis.backoff import NoBackoff
from redis.retry import Retry

from children import Child, clean_environment
from embedded_kit import LINGER, folder, free, gone, linger, own_folder, server_pid, supervisor_pid
from fastkiq import embedded
from fastkiq.embedded_supervisor import SOCKET, server_options
from fastkiq.errors import EmbeddedError, FastkiqError
from servers import wait_until

__all__ = ["folder", "linger"]


def client(folder: Path) -> redis_py.Redis:
    """Without redis-py's own retries, which would push a number twice when its reply was lost."""
    return redis_py.Redis.from_url(embedded.ensure(folder), decode_responses=True, retry=Retry(NoBackoff(), 0))


def write(folder: Path, text: str) -> None:
    with client(folder) as redis:
        redis.rpush("log", text)


def written(folder: Path) -> list[str]:
    with client(folder) as redis:
        return list(redis.lrange("log", 0, -1))


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


class Writer:
    """Pushes numbers one after another, whatever happens to the server, and keeps what was acknowledged."""

    def __init__(self, folder: Path) -> None:
        self.acknowledged: list[str] = []
        self.outages = 0
        self._folder = folder
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="writer")
        self._thread.start()

    def _run(self) -> None:
        number = 0
        while not self._stop.is_set():
            try:
                with client(self._folder) as redis:
                    while not self._stop.is_set():
                        number += 1  # a number whose reply is lost is never sent again
                        redis.rpush("log", number)
                        self.acknowledged.append(str(number))
            except (redis_py.ConnectionError, FastkiqError):
                self.outages += 1

    def wait_for_outage(self, seen: int, more: int = 50) -> None:
        """Until the connection broke once more than `seen` times, and the writer went on."""
        wait_until(lambda: self.outages > seen, 20, "an outage")
        self.wait_for_more(more)

    def wait_for_more(self, count: int) -> None:
        goal = len(self.acknowledged) + count
        wait_until(lambda: len(self.acknowledged) >= goal, 20, "the writer to go on")

    def stop(self) -> set[str]:
        self._stop.set()
        self._thread.join(30)
        assert not self._thread.is_alive()
        return set(self.acknowledged)


# kill -9


@pytest.mark.parametrize("who", ["server", "supervisor", "both", "anyone"])
def test_what_was_acknowledged_outlives_any_kill(folder: Path, who: str) -> None:
    embedded.ensure(folder)
    writer = Writer(folder)
    victims: dict[str, Callable[[], list[int]]] = {
        "server": lambda: [server_pid(folder)],
        "supervisor": lambda: [supervisor_pid(folder)],
        "both": lambda: [supervisor_pid(folder), server_pid(folder)],
        "anyone": lambda: [random.choice([server_pid(folder), supervisor_pid(folder)])],
    }
    try:
        writer.wait_for_more(1)
        for _ in range(6):
            seen = writer.outages
            for pid in victims[who]():
                kill(pid)
            writer.wait_for_outage(seen)
    finally:
        acknowledged = writer.stop()
    kept = written(folder)
    assert acknowledged <= set(kept)
    assert len(kept) == len(set(kept))


def test_a_dead_server_is_started_again_by_its_supervisor(folder: Path) -> None:
    write(folder, "before")
    owner, victim = supervisor_pid(folder), server_pid(folder)
    kill(victim)
    assert written(folder) == ["before"]
    assert supervisor_pid(folder) == owner
    assert server_pid(folder) != victim
    assert "died (code -9); starting it again" in (folder / "log").read_text()


def test_a_supervisor_gives_up_on_a_server_that_keeps_dying(folder: Path) -> None:
    write(folder, "before")
    (folder / "appendonlydir" / "appendonly.aof.manifest").write_text("nonsense\n")
    owner = supervisor_pid(folder)
    kill(server_pid(folder))
    wait_until(lambda: free(folder / "fastkiq.lock"), 20, f"supervisor {owner} to give up")
    with pytest.raises(EmbeddedError, match=r"ended with code 1 at its start: .*[Mm]anifest"):
        embedded.ensure(folder)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the server lives until the next start replaces it")
def test_no_server_outlives_its_supervisor(folder: Path) -> None:
    write(folder, "before")
    kill(supervisor_pid(folder))
    wait_until(lambda: gone(folder), 10)
    assert written(folder) == ["before"]


def test_a_server_left_without_supervisor_is_replaced(folder: Path) -> None:
    """Where the kernel does not end it with its supervisor: asked to shut down, then started anew."""
    write(folder, "before")
    embedded.release(folder)
    wait_until(lambda: gone(folder), 10)
    with (folder / "server.lock").open("r+") as lock, (folder / "log").open("ab") as log:
        embedded.fcntl.flock(lock, embedded.fcntl.LOCK_EX)
        orphan = subprocess.Popen(
            [embedded.server_binary(), *server_options(SOCKET)], cwd=folder, stdout=log, pass_fds=(lock.fileno(),)
        )
    try:
        wait_until(lambda: redis_py.Redis(unix_socket_path=str(folder / SOCKET)).ping(), 10)
        assert written(folder) == ["before"]
        assert orphan.wait(10) == 0
        assert server_pid(folder) != orphan.pid
    finally:
        orphan.kill()
        orphan.wait(10)


def test_a_client_that_was_killed_no_longer_counts(folder: Path, tmp_path: Path) -> None:
    source = (
        "import redis, time\nfrom fastkiq import embedded\n"
        f"r = redis.Redis.from_url(embedded.ensure({str(folder)!r}))\n"
        "r.rpush('log', 'last words')\nprint('up', flush=True)\ntime.sleep(60)\n"
    )
    environment = clean_environment({"FASTKIQ_EMBEDDED_LINGER": str(LINGER)})
    child = Child([sys.executable, "-c", source], tmp_path, environment)
    try:
        child.wait_for("up")
        child.kill()
        wait_until(lambda: gone(folder), 10)
        assert written(folder) == ["last words"]
    finally:
        child.close()


def test_a_starter_killed_at_any_moment_leaves_a_usable_folder(folder: Path, tmp_path: Path) -> None:
    write(folder, "0")
    embedded.release(folder)
    source = f"from fastkiq import embedded\nprint('go', flush=True)\nembedded.ensure({str(folder)!r})"
    for round_number in range(1, 11):
        wait_until(lambda: gone(folder), 10)
        child = Child([sys.executable, "-c", source], tmp_path, clean_environment({"FASTKIQ_EMBEDDED_LINGER": "0.2"}))
        child.wait_for("go")
        time.sleep(round_number * 0.01)  # the moment is the point: from before the first file to after the reply
        child.close()
        write(folder, str(round_number))
        embedded.release(folder)
    assert written(folder) == [str(n) for n in range(11)]


def test_arriving_while_the_server_shuts_down_waits_and_starts_it_anew(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FASTKIQ_EMBEDDED_LINGER", "0.1")
    generations = set()
    for number in range(25):
        with client(folder) as redis:
            assert redis.incr("n") == number + 1
        generations.add(supervisor_pid(folder))
        embedded.release(folder)
        time.sleep(0.09 + number * 0.003)  # around the moment at which it decides to go
    assert len(generations) > 1


def test_a_watching_process_heals_by_itself(folder: Path, tmp_path: Path) -> None:
    """A worker calls `ensure` once; kill -9 of the supervisor must not leave it without a server for good."""
    source = (
        f"import redis, time\nfrom fastkiq import embedded\nurl = embedded.ensure({str(folder)!r}, watch=True)\n"
        "r = redis.Redis.from_url(url)\n"
        "while True:\n    try:\n        print('alive', r.incr('n'), flush=True)\n        time.sleep(0.02)\n"
        "    except redis.RedisError:\n        time.sleep(0.02)\n"
    )
    child = Child([sys.executable, "-c", source], tmp_path, clean_environment({"FASTKIQ_EMBEDDED_LINGER": "30"}))
    try:
        last = 0
        for _ in range(3):
            child.wait_for(lambda text, last=last: text.count("alive") >= last + 10)
            last = child.output().count("alive")
            kill(supervisor_pid(folder))
        child.wait_for(lambda text: text.count("alive") >= last + 10)
    finally:
        child.close()


# Leftovers


def test_leftovers_of_a_power_cut_are_no_obstacle(folder: Path) -> None:
    """Every file of a running server, with nobody running; the address leads nowhere; pids are somebody else's."""
    write(folder, "kept")
    kill(supervisor_pid(folder))
    wait_until(lambda: gone(folder), 10)
    (folder / "address").write_bytes(b"/nonexistent/\xff\x00sock")
    (folder / "fastkiq.lock").write_text("1\n")
    (folder / "server.lock").write_text(f"{os.getpid()}\n")
    (folder / "valkey.sock").unlink(missing_ok=True)
    (folder / "valkey.sock").write_text("not a socket")
    assert written(folder) == ["kept"]


def test_the_half_written_end_of_the_file_is_cut_off(folder: Path) -> None:
    for text in ("one", "two"):
        write(folder, text)
    embedded.release(folder)
    wait_until(lambda: gone(folder), 10)
    (aof,) = (folder / "appendonlydir").glob("*.incr.aof")
    os.truncate(aof, aof.stat().st_size - 3)
    assert written(folder) == ["one"]


def test_an_address_that_leads_to_another_server_is_not_believed(folder: Path, tmp_path: Path) -> None:
    """The folder was copied with its files: the copy must not write into the original."""
    with own_folder(tmp_path, "copy") as copy:
        write(folder, "original")
        copy.mkdir(0o700)
        for name in ("fastkiq.lock", "gate"):
            (copy / name).touch()
        (copy / "address").write_text(str(folder / "valkey.sock"))
        assert written(copy) == []


# No room


def test_a_full_disk_at_the_start_is_told(folder: Path, tmp_path: Path) -> None:
    """No byte can be written: the limit on file sizes stands in for a disk without room."""
    source = (
        "import resource, sys\nfrom fastkiq import embedded\nresource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
        f"try:\n    embedded.ensure({str(folder)!r})\n"
        "except embedded.EmbeddedError as error:\n    sys.exit(f'told: {error}')"
    )
    result = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=30, env=clean_environment(), check=False
    )
    assert f"told: cannot write in {folder}: File too large; make room or choose another folder" in result.stderr
    assert embedded.ensure(folder), "with room again, the folder is usable"


@pytest.mark.skipif(sys.platform != "linux", reason="prlimit on another process")
def test_a_disk_that_fills_up_refuses_writes_and_loses_none(folder: Path) -> None:
    with client(folder) as redis:
        redis.rpush("log", "before")
        (aof,) = (folder / "appendonlydir").glob("*.incr.aof")
        size = aof.stat().st_size
        resource.prlimit(server_pid(folder), resource.RLIMIT_FSIZE, (size + 200, resource.RLIM_INFINITY))
        accepted = ["before"]

        def fill() -> None:
            for number in range(1000):
                redis.rpush("log", f"{number:0100}")
                accepted.append(f"{number:0100}")

        with pytest.raises(redis_py.ResponseError, match="MISCONF"):
            fill()
        with pytest.raises(EmbeddedError, match=r"cannot write to its disk: MISCONF"):
            embedded.ensure(folder)
    time.sleep(LINGER * 5)  # nothing to wait on: the point is what does not happen
    assert not gone(folder), "what it could not write yet is in its memory only"
    resource.prlimit(server_pid(folder), resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    def usable() -> bool:
        try:
            return bool(embedded.ensure(folder))
        except EmbeddedError:
            return False

    wait_until(usable, 15, "the server to write again")
    embedded.release(folder)
    wait_until(lambda: gone(folder), 10)
    assert written(folder) == accepted
