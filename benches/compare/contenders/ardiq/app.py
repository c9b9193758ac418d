"""ArdiQ: a Rust core under an event loop, a Redis stream."""

import asyncio
import json
import logging
import os
import time
from itertools import islice

import command
import record
from ardiq import Ardiq
from redis.asyncio import Redis

app = Ardiq(
    os.environ["COMPARE_REDIS_URL"],
    queue_name="compare",
    concurrency=int(os.environ["COMPARE_CONCURRENCY"]),
    result_ttl_ms=0,
)
side = Redis.from_url(os.environ["COMPARE_SIDE_URL"])
logging.getLogger("ardiq").setLevel(logging.WARNING)  # its command line knows only INFO and DEBUG


@app.task
async def noop(text: str, number: int, options: dict[str, str]) -> None:
    record.ran(number)


@app.task
def sleep(number: int) -> None:
    record.began()
    time.sleep(0.01)
    record.ended(number)


@app.task
async def asleep(number: int) -> None:
    record.began()
    await asyncio.sleep(0.05)
    record.ended(number)


@app.task
async def middle(number: int) -> None:
    record.began()
    json.loads(await side.get("compare:doc"))
    record.ended(number)


@app.task
async def wake(sent: int) -> None:
    record.woke(sent)


@app.task
def slow(number: int) -> None:
    record.started(number)
    time.sleep(0.2)
    record.finished(number)


KINDS = {"noop": noop, "sleep": sleep, "asleep": asleep, "middle": middle, "wake": wake, "slow": slow}


async def many(kind, rows):
    while batch := [KINDS[kind].prepare(*row) for row in islice(rows, 1000)]:
        await app.enqueue_many(batch)


async def close():
    """As its own command line ends: its core's threads outlive the interpreter now and then, which is a crash."""
    os._exit(0)


if __name__ == "__main__":
    command.main_async(lambda kind, *row: KINDS[kind].enqueue(*row), many, close=close)
