"""Dramatiq: threads of one process, Redis broker."""

import asyncio
import json
import os
import sys
import time

import command
import dramatiq
import record
import redis
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware.asyncio import AsyncIO

broker = RedisBroker(url=os.environ["COMPARE_REDIS_URL"])
broker.add_middleware(AsyncIO())
dramatiq.set_broker(broker)
side = redis.Redis.from_url(os.environ["COMPARE_SIDE_URL"])


@dramatiq.actor
def noop(text, number, options):
    record.ran(number)


@dramatiq.actor
def sleep(number):
    record.began()
    time.sleep(0.01)
    record.ended(number)


@dramatiq.actor
async def asleep(number):
    record.began()
    await asyncio.sleep(0.05)
    record.ended(number)


@dramatiq.actor
def middle(number):
    record.began()
    json.loads(side.get("compare:doc"))
    record.ended(number)


@dramatiq.actor
def wake(sent):
    record.woke(sent)


@dramatiq.actor
def slow(number):
    record.started(number)
    time.sleep(0.2)
    record.finished(number)


if __name__ == "__main__":
    command.main(lambda kind, *row: getattr(sys.modules[__name__], kind).send(*row))
