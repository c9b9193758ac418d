"""The end of a program in the middle of a push: no crash, no hang, and each answered push is there."""

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis as redis_py

from faults.lab import programs
from faults.lab.programs import Finished
from faults.lab.results import record
from faults.lab.scale import dice, scaled
from servers import Server, wait_until

COMMON = """
import signal
client = fastkiq.Client()

def push(argument):
    note("try", argument)
    note("push", client.push("app.Job", argument), argument)

def flood(who):
    number = 0
    while True:
        push(f"{who}.{number}")
        number += 1

def bulk_flood(who):
    number = 0
    while True:
        rows = [(f"{who}.{number}.{row}",) for row in range(300)]
        note("tries", f"{who}.{number}", len(rows))
        for jid, (argument,) in zip(client.push_bulk("app.Job", rows), rows):
            note("push", jid, argument)
        number += 1

def crew(target, count, daemon):
    for who in range(count):
        threading.Thread(target=target, args=(f"t{who}",), daemon=daemon).start()

push("first")
"""

ENDS = {
    # name: (what the program does after its first push, its exit codes)
    "sys.exit": ("crew(flood, 8, True)\ntime.sleep(DELAY)\nsys.exit(7)", {7}),
    "the end of the file": ("crew(flood, 8, True)\ntime.sleep(DELAY)", {0}),
    "an exception": ("crew(flood, 8, True)\ntime.sleep(DELAY)\nraise RuntimeError('nobody catches this')", {1}),
    "os._exit": ("crew(flood, 8, True)\ntime.sleep(DELAY)\nos._exit(9)", {9}),
    "a bulk push": ("crew(bulk_flood, 4, True)\ntime.sleep(DELAY)\nsys.exit(7)", {7}),
    "atexit": (
        "import atexit\ncrew(flood, 4, True)\n"
        "atexit.register(lambda: [push(f'exit.{number}') for number in range(50)])\n"
        "atexit.register(lambda: note('bulk', len(client.push_bulk('app.Job', [('bulk',)] * 2500))))\n"
        "time.sleep(DELAY)\nsys.exit(7)",
        {7},
    ),
    "an object's last words": (
        "class Last:\n    def __del__(self):\n        push('last words')\n"
        "kept = Last()\nkept.itself = kept\ncrew(flood, 4, True)\ntime.sleep(DELAY)\nsys.exit(7)",
        {7},
    ),
    "coroutines": (
        "import asyncio\n"
        "class Job(fastkiq.Worker, name='app.Job'):\n    def perform(self, text): pass\n"
        "async def flooding(who):\n    number = 0\n    while True:\n"
        "        note('try', f'a{who}.{number}')\n"
        "        note('push', await Job.aperform_async(f'a{who}.{number}'), f'a{who}.{number}')\n        number += 1\n"
        "async def main():\n    tasks = [asyncio.create_task(flooding(who)) for who in range(20)]\n"
        "    await asyncio.sleep(DELAY)\n    sys.exit(7)\n"
        "asyncio.run(main())",
        {7},
    ),
}


def check(done: Finished, redis: redis_py.Redis, codes: set[int]) -> tuple[int, int]:
    """The books of one end; answers how many jobs are there, and how many of them were not answered any more."""
    assert done.code in codes, f"exit code {done.code}:\n{done.output}"
    for words in ("Fatal Python error", "panicked", "Segmentation", "not rethrown"):
        assert words not in done.output, done.output
    jobs = [json.loads(payload) for payload in redis.lrange("queue:default", 0, -1)]
    found = {job["jid"]: job["args"][0] for job in jobs}
    assert len(found) == len(jobs), "a job is there twice"
    pushed = dict(done.noted("push"))
    assert pushed.items() <= found.items(), "an answered push is not there"
    tried = {argument for (argument,) in done.noted("try")}
    for stem, count in done.noted("tries"):
        tried |= {f"{stem}.{row}" for row in range(int(count))}
    unanswered = [argument for jid, argument in found.items() if jid not in pushed and argument != "bulk"]
    assert len(set(unanswered)) == len(unanswered)
    assert set(unanswered) <= tried
    return len(found), len(unanswered)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", ENDS)
def test_a_program_ends_in_the_middle_of_pushes(
    tmp_path: Path, redis_url: str, redis: redis_py.Redis, name: str
) -> None:
    source, codes = ENDS[name]
    chance = dice(name)
    rounds = scaled(4, 60)
    jobs = unanswered = 0
    slowest = 0.0
    for _ in range(rounds):
        delay = chance.uniform(0.01, 0.08)
        done = programs.run(tmp_path, COMMON + source.replace("DELAY", f"{delay:.4f}"), redis_url, timeout=10)
        more, open_ones = check(done, redis, codes)
        jobs, unanswered, slowest = jobs + more, unanswered + open_ones, max(slowest, done.seconds)
        if name == "atexit":
            arguments = {json.loads(payload)["args"][0] for payload in redis.lrange("queue:default", 0, -1)}
            assert {f"exit.{number}" for number in range(50)} <= arguments
            assert done.noted("bulk") == [["2500"]], done.output
        redis.flushall()
    tell(f"the end of a program in pushes: {name}", rounds, jobs, unanswered, slowest)


def tell(name: str, rounds: int, jobs: int, unanswered: int, slowest: float) -> None:
    record(name, faults=rounds, jobs=jobs, lost=0, there_without_an_answer=unanswered, slowest_s=slowest)
    assert slowest < 5


INTERRUPTED = {
    "one": "try:\n    flood('main')\nexcept KeyboardInterrupt:\n    note('interrupted')\n    raise",
    "bulk": "try:\n    bulk_flood('main')\nexcept KeyboardInterrupt:\n    note('interrupted')\n    raise",
    "beside threads": "crew(flood, 8, True)\nflood('main')",
    "coroutines": ENDS["coroutines"][0].replace("DELAY", "60"),
}


@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", INTERRUPTED)
def test_a_ctrl_c_in_the_middle_of_pushes(tmp_path: Path, redis_url: str, redis: redis_py.Redis, name: str) -> None:
    chance = dice(name)
    rounds = scaled(4, 60)
    jobs = unanswered = 0
    slowest = 0.0
    for _ in range(rounds):
        with programs.running(tmp_path, COMMON + INTERRUPTED[name], redis_url) as program:
            wait_until(lambda: redis.llen("queue:default") > 50, 10, "pushes")
            time.sleep(chance.uniform(0, 0.03))
            begun = time.monotonic()
            program.process.send_signal(signal.SIGINT)
            done = program.wait(10)
            slowest = max(slowest, time.monotonic() - begun)
        more, open_ones = check(done, redis, {-signal.SIGINT})  # how Python ends after a KeyboardInterrupt
        jobs, unanswered = jobs + more, unanswered + open_ones
        assert "KeyboardInterrupt" in done.output
        redis.flushall()
    tell(f"Ctrl-C in pushes: {name}", rounds, jobs, unanswered, slowest)


def test_a_ctrl_c_while_redis_does_not_answer(tmp_path: Path, start_server: Callable[..., Server]) -> None:
    """The push ends with its own time limit, and then the program."""
    own = start_server()
    with programs.running(tmp_path, COMMON + "note('ready')\nflood('main')", own.url) as program:
        wait_until(lambda: program.noted("ready"), 10)
        own.freeze()
        time.sleep(0.1)
        begun = time.monotonic()
        program.process.send_signal(signal.SIGINT)
        done = program.wait(15)
        seconds = time.monotonic() - begun
    own.thaw()
    assert done.code == -signal.SIGINT, done.output
    assert "PushUncertain" in done.output, "what became of the push is said as well"
    with own.client() as redis:
        jobs, unanswered = check(done, redis, {-signal.SIGINT})
    record(
        "Ctrl-C in a push to a Redis that does not answer",
        faults=1,
        jobs=jobs,
        lost=0,
        there_without_an_answer=unanswered,
        seconds=seconds,
    )
    assert seconds < 5.5
