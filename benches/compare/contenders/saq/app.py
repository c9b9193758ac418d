"""SAQ: an event loop, Redis lists and one key a job. Jobs take keywords."""

import asyncio
import json
import os
import time

import command
import record
from redis.asyncio import Redis
from saq import Queue

queue = Queue.from_url(os.environ["COMPARE_REDIS_URL"])
side = Redis.from_url(os.environ["COMPARE_SIDE_URL"])


async def noop(ctx, *, text, number, options):
    record.ran(number)


def sleep(ctx, *, number):
    record.began()
    time.sleep(0.01)
    record.ended(number)


async def asleep(ctx, *, number):
    record.began()
    await asyncio.sleep(0.05)
    record.ended(number)


async def middle(ctx, *, number):
    record.began()
    json.loads(await side.get("compare:doc"))
    record.ended(number)


async def wake(ctx, *, sent):
    record.woke(sent)


def slow(ctx, *, number):
    record.started(number)
    time.sleep(0.2)
    record.finished(number)


settings = {
    "queue": queue,
    "functions": [noop, sleep, asleep, middle, wake, slow],
    "concurrency": int(os.environ["COMPARE_CONCURRENCY"]),
}
NAMES = {"noop": ("text", "number", "options"), "wake": ("sent",)}


def enqueue(kind, *row):
    return queue.enqueue(kind, **dict(zip(NAMES.get(kind, ("number",)), row, strict=True)))


if __name__ == "__main__":
    command.main_async(enqueue, ready=queue.connect, close=queue.disconnect)
