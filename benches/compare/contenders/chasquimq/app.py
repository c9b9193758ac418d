"""ChasquiMQ: a Rust engine under an event loop, a Redis stream. One handler for all jobs of a queue."""

import asyncio
import json
import os
import sys
import time
from itertools import islice

import command
import record
from chasquimq import Queue, Worker
from redis.asyncio import Redis

URL = os.environ["COMPARE_REDIS_URL"]
CONCURRENCY = int(os.environ["COMPARE_CONCURRENCY"])

queue = Queue("compare", redis_url=URL)
side = Redis.from_url(os.environ["COMPARE_SIDE_URL"])


async def noop(text, number, options):
    record.ran(number)


async def sleep(number):
    await asyncio.to_thread(_sleep, number)


def _sleep(number):
    record.began()
    time.sleep(0.01)
    record.ended(number)


async def asleep(number):
    record.began()
    await asyncio.sleep(0.05)
    record.ended(number)


async def middle(number):
    record.began()
    json.loads(await side.get("compare:doc"))
    record.ended(number)


async def wake(sent):
    record.woke(sent)


async def slow(number):
    record.started(number)
    await asyncio.sleep(0.2)
    record.finished(number)


KINDS = {"noop": noop, "sleep": sleep, "asleep": asleep, "middle": middle, "wake": wake, "slow": slow}


async def handle(job):
    await KINDS[job.name](*job.data)


async def work():
    async with Worker("compare", handle, redis_url=URL, concurrency=CONCURRENCY) as worker:
        await worker.run()


async def many(kind, rows):
    while batch := [{"name": kind, "data": list(row)} for row in islice(rows, 1000)]:
        await queue.add_bulk(batch)


if __name__ == "__main__":
    if sys.argv[1] == "work":
        asyncio.run(work())
    else:
        command.main_async(lambda kind, *row: queue.add(kind, list(row)), many)
