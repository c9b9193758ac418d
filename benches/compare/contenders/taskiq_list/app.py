"""taskiq: an event loop, one Redis list."""

import asyncio
import json
import os
import time

import command
import record
from redis.asyncio import Redis
from taskiq_redis import ListQueueBroker

broker = ListQueueBroker(os.environ["COMPARE_REDIS_URL"])
side = Redis.from_url(os.environ["COMPARE_SIDE_URL"])


@broker.task
async def noop(text: str, number: int, options: dict[str, str]) -> None:
    record.ran(number)


@broker.task
def sleep(number: int) -> None:
    record.began()
    time.sleep(0.01)
    record.ended(number)


@broker.task
async def asleep(number: int) -> None:
    record.began()
    await asyncio.sleep(0.05)
    record.ended(number)


@broker.task
async def middle(number: int) -> None:
    record.began()
    json.loads(await side.get("compare:doc"))
    record.ended(number)


@broker.task
async def wake(sent: int) -> None:
    record.woke(sent)


@broker.task
def slow(number: int) -> None:
    record.started(number)
    time.sleep(0.2)
    record.finished(number)


KINDS = {"noop": noop, "sleep": sleep, "asleep": asleep, "middle": middle, "wake": wake, "slow": slow}

if __name__ == "__main__":
    command.main_async(lambda kind, *row: KINDS[kind].kiq(*row), ready=broker.startup, close=broker.shutdown)
