"""Programs that enqueue in ways nobody has asked them to."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import redis as redis_py

from children import clean_environment


def run(folder: Path, source: str, url: str, options: Sequence[str] = ()) -> str:
    done = subprocess.run(
        [sys.executable, *options, "-c", source],
        cwd=folder,
        env=clean_environment({"FASTKIQ_REDIS_URL": url}),
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_client_made_first_of_all_heeds_the_environment(
    tmp_path: Path, redis_url: str, redis: redis_py.Redis
) -> None:
    run(tmp_path, "import fastkiq; client = fastkiq.Client(); client.push('app.Job'); print(client)", redis_url)
    assert redis.llen("queue:default") == 1


FORKS = """
import os, threading, time
import fastkiq

client = fastkiq.Client()
stop = threading.Event()
pushed = [0] * 10

def push(number):
    while not stop.is_set():
        client.push("app.Parent")
        pushed[number] += 1

threads = [threading.Thread(target=push, args=(number,)) for number in range(10)]
for thread in threads:
    thread.start()
children = []
for _ in range(20):
    child = os.fork()
    if child == 0:
        client.push("app.Child")
        client.push_bulk("app.Child", [()] * 4)
        os._exit(0)
    children.append(child)
codes = [os.waitpid(child, 0)[1] for child in children]
stop.set()
for thread in threads:
    thread.join()
print(sum(pushed), sum(codes))
"""


def test_children_forked_while_threads_push_can_push(tmp_path: Path, redis_url: str, redis: redis_py.Redis) -> None:
    pushed, codes = run(tmp_path, FORKS, redis_url, ["-W", "ignore::DeprecationWarning"]).split()
    assert int(codes) == 0
    assert redis.llen("queue:default") == int(pushed) + 20 * 5
