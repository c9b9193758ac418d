"""streaQ: an event loop on anyio, Redis streams, one key a job."""

import asyncio
import json
import logging
import os
import sys
import time
from itertools import islice

import command
import record
from redis.asyncio import Redis
from streaq import Worker

CONCURRENCY = int(os.environ["COMPARE_CONCURRENCY"])

worker = Worker(
    redis_url=os.environ["COMPARE_REDIS_URL"],
    concurrency=CONCURRENCY,
    sync_concurrency=CONCURRENCY,
    anyio_kwargs={"use_uvloop": True},
)
side = Redis.from_url(os.environ["COMPARE_SIDE_URL"])


@worker.task(ttl=0)
async def noop(text: str, number: int, options: dict[str, str]) -> None:
    record.ran(number)


@worker.task(ttl=0)
def sleep(number: int) -> None:
    record.began()
    time.sleep(0.01)
    record.ended(number)


@worker.task(ttl=0)
async def asleep(number: int) -> None:
    record.began()
    await asyncio.sleep(0.05)
    record.ended(number)


@worker.task(ttl=0)
async def middle(number: int) -> None:
    record.began()
    json.loads(await side.get("compare:doc"))
    record.ended(number)


@worker.task(ttl=0)
async def wake(sent: int) -> None:
    record.woke(sent)


@worker.task(ttl=0)
def slow(number: int) -> None:
    record.started(number)
    time.sleep(0.2)
    record.finished(number)


KINDS = {"noop": noop, "sleep": sleep, "asleep": asleep, "middle": middle, "wake": wake, "slow": slow}


async def one(kind, *row):
    await KINDS[kind].enqueue(*row)


async def many(kind, rows):
    while batch := [KINDS[kind].enqueue(*row) for row in islice(rows, 1000)]:
        await worker.enqueue_many(batch)


async def close():
    await worker.__aexit__(None, None, None)


if __name__ == "__main__":
    if sys.argv[1] == "work":  # its command line logs two lines a job at least
        logging.basicConfig(level=logging.WARNING)
        worker.run_sync()
    else:
        command.main_async(one, many, ready=worker.__aenter__, close=close)
