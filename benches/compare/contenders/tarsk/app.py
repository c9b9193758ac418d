"""tarsk: a Rust supervisor and one child with an event loop, a Redis stream.

A function would cost it a hop to a thread, so what need not block is a coroutine.
"""

import asyncio
import json
import os
import time

import command
import record
from redis.asyncio import Redis
from tarsk import App

app = App(broker=os.environ["COMPARE_REDIS_URL"])
side = Redis.from_url(os.environ["COMPARE_SIDE_URL"])


@app.task(name="noop")
async def noop(text: str, number: int, options: dict[str, str]) -> None:
    record.ran(number)


@app.task(name="sleep")
def sleep(number: int) -> None:
    record.began()
    time.sleep(0.01)
    record.ended(number)


@app.task(name="asleep")
async def asleep(number: int) -> None:
    record.began()
    await asyncio.sleep(0.05)
    record.ended(number)


@app.task(name="middle")
async def middle(number: int) -> None:
    record.began()
    json.loads(await side.get("compare:doc"))
    record.ended(number)


@app.task(name="wake")
async def wake(sent: int) -> None:
    record.woke(sent)


@app.task(name="slow")
def slow(number: int) -> None:
    record.started(number)
    time.sleep(0.2)
    record.finished(number)


KINDS = {"noop": noop, "sleep": sleep, "asleep": asleep, "middle": middle, "wake": wake, "slow": slow}

if __name__ == "__main__":
    command.main(lambda kind, *row: KINDS[kind].send(*row), ready=app.producer)
