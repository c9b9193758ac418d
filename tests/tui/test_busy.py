"""Processes and running jobs: signals, stacks."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable

import pytest
import redis as redis_py

from children import Child
from top_kit import Screen, opened, process, stored

pytestmark = pytest.mark.timeout(60)

ONE, TWO = "web-1.example.org:4001:0123456789ab", "web-2.example.org:4002:0123456789ab"


def run(url: str, scenario: Callable[[Screen], Awaitable[None]], *, read_only: bool = False) -> None:
    async def within() -> None:
        async with opened(url, read_only=read_only) as screen:
            await screen.press("2")
            await screen.sees("Process")
            await scenario(screen)

    asyncio.run(within())


def signals(redis: redis_py.Redis, identity: str) -> list[bytes]:
    return redis.lrange(f"{identity}-signals", 0, -1)


def test_processes_and_jobs_are_shown_and_processes_told(redis: redis_py.Redis, redis_url: str) -> None:
    process(redis, ONE, {"a1": stored(jid="first", args=["one"])}, labels=["reliable"])
    process(redis, TWO, {"b1": stored(jid="second", args=["two"])})

    async def scenario(screen: Screen) -> None:
        await screen.sees("web-1.example.org:4001", "processes 1-2 of 2", "2 running jobs", '"one"', "100 MiB", "shop")
        await screen.press("T")
        await screen.sees("Terminate web-1.example.org:4001:0123456789ab, with 1")
        await screen.press("y")
        await screen.sees("1 process told to terminate")
        assert (signals(redis, ONE), signals(redis, TWO)) == ([b"TERM"], [])
        await screen.press("A", "Q")
        await screen.sees("Quiet these 2 processes, with 2 running jobs?")
        await screen.press("y")
        await screen.sees("2 processes told to quiet")
        assert (signals(redis, ONE), signals(redis, TWO)) == ([b"TSTP", b"TERM"], [b"TSTP"])

    run(redis_url, scenario)


def test_all_processes_are_told_but_those_inside_of_other_programs(redis: redis_py.Redis, redis_url: str) -> None:
    process(redis, ONE, embedded=True)
    process(redis, TWO)

    async def scenario(screen: Screen) -> None:
        await screen.sees("embedded")
        await screen.press("T")
        await screen.sees("stopped by these alone")
        await screen.press("A", "A", "T")
        await screen.sees("Terminate all 2 processes?")
        await screen.press("y")
        await screen.sees("1 process told to terminate")
        assert (signals(redis, ONE), signals(redis, TWO)) == ([], [b"TERM"])

    run(redis_url, scenario)


def test_the_stack_of_a_running_job_is_asked_for_and_shown(redis: redis_py.Redis, redis_url: str) -> None:
    process(redis, ONE, {"a1": stored(jid="first"), "a2": stored(jid="second")})

    async def scenario(screen: Screen) -> None:
        await screen.sees("2 running jobs")
        await screen.press("tab", "j", "S")
        await screen.sees("Stack of second", "answers at its next heartbeat")
        await screen.until(lambda: signals(redis, ONE) == [b"STACKS"])
        stack = ["/srv/app/jobs.py:7:in Sleeper.perform", "    time.sleep(60)"]
        redis.delete(f"{ONE}-signals")
        redis.hset(
            f"fastkiq:stacks:{ONE}",
            mapping={"at": time.time() - 30, "threads": "Thread main", "a2": json.dumps({"stack": stack})},
        )
        text = await screen.sees("/srv/app/jobs.py:7:in Sleeper.perform", "As of")
        assert "    time.sleep(60)" in text
        await screen.until(lambda: signals(redis, ONE) == [b"STACKS"])  # for a fresher one
        redis.delete(ONE)
        redis.srem("processes", ONE)
        await screen.sees("not there any more", "time.sleep(60)")
        await screen.press("escape")
        await screen.sees("no processes")

    run(redis_url, scenario)


def test_the_stacks_of_all_threads_of_a_process(redis: redis_py.Redis, redis_url: str) -> None:
    process(redis, ONE)
    process(redis, TWO, version="8.1.7")
    redis.hset(f"fastkiq:stacks:{ONE}", mapping={"at": time.time(), "threads": "Thread main\n  File x.py"})

    async def scenario(screen: Screen) -> None:
        await screen.sees("of 2")
        await screen.press("S")
        await screen.sees("Stacks of all threads", "File x.py")
        await screen.press("escape", "j", "S")
        await screen.sees("8.1.7 can only log its stacks")
        assert signals(redis, TWO) == []

    run(redis_url, scenario)


def test_a_job_with_many_neighbours_can_be_reached(redis: redis_py.Redis, redis_url: str) -> None:
    process(redis, ONE, {f"t{at}": stored(jid=f"jid-{at}", args=[f"arg-{at}"]) for at in range(40)})

    async def scenario(screen: Screen) -> None:
        await screen.sees("40 running jobs")
        await screen.press("tab", "end")
        await screen.sees(lambda text: any(line.startswith(">") and "arg-" in line for line in text.splitlines()))
        await screen.press("enter")
        await screen.sees("runs in", ONE, "started")
        redis.delete(f"{ONE}:work")
        await screen.sees("It is not here any more")

    run(redis_url, scenario)


def test_nothing_is_told_when_it_is_read_only(redis: redis_py.Redis, redis_url: str) -> None:
    process(redis, ONE, {"a1": stored()})

    async def scenario(screen: Screen) -> None:
        await screen.sees("web-1", "read-only")
        await screen.press("T", "Q", "S", "enter", "tab", "S", "enter")
        await screen.sees("runs in")
        await screen.press("S")
        await screen.misses("Stack of", "y yes")

    run(redis_url, scenario, read_only=True)
    assert signals(redis, ONE) == []


def test_a_real_process_is_shown_and_stops_when_it_is_told_to(
    worker_process: Callable[..., Child], redis: redis_py.Redis, redis_url: str
) -> None:
    child = worker_process(
        """
        import threading, fastkiq
        fastkiq.configure(lease=2)

        class Wait(fastkiq.Worker):
            def perform(self, what):
                print("begun", flush=True)
                while not self.interrupted:
                    threading.Event().wait(0.01)

        Wait.perform_async("for the end")
        """,
        *("-c", "2", "-g", "mytag"),
    )
    child.wait_for("begun")

    async def scenario(screen: Screen) -> None:
        await screen.sees("mytag", f":{child.pid}", "app.Wait", '"for the end"')
        await screen.press("T")
        await screen.sees("with 1 running job?")
        await screen.press("y")
        await screen.sees("1 process told to terminate")
        await screen.sees("no processes", within=20)

    run(redis_url, scenario)
    assert child.wait(20) == 0
