"""The jobs as plain functions, for systems that run functions on threads: each app wraps them in its own way."""

import asyncio
import json
import os
import time

import record
import redis

side = redis.Redis.from_url(os.environ["COMPARE_SIDE_URL"])


def noop(text: str, number: int, options: dict[str, str]) -> None:
    record.ran(number)


def sleep(number: int) -> None:
    record.began()
    time.sleep(0.01)
    record.ended(number)


async def asleep(number: int) -> None:
    record.began()
    await asyncio.sleep(0.05)
    record.ended(number)


def middle(number: int) -> None:
    record.began()
    json.loads(side.get("compare:doc"))
    record.ended(number)


def wake(sent: int) -> None:
    record.woke(sent)


def slow(number: int) -> None:
    record.started(number)
    time.sleep(0.2)
    record.finished(number)


ALL = (noop, sleep, asleep, middle, wake, slow)
