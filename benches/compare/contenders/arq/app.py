"""arq: coroutines, polled from a sorted set."""

import asyncio
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor

import command
import record
import redis.asyncio
from arq import create_pool
from arq.connections import RedisSettings

CONCURRENCY = int(os.environ["COMPARE_CONCURRENCY"])
LOGGING = {"version": 1, "disable_existing_loggers": False, "root": {"level": "WARNING"}}
SETTINGS = RedisSettings.from_dsn(os.environ["COMPARE_REDIS_URL"])


async def noop(context, text, number, options):
    record.ran(number)


async def sleep(context, number):
    record.began()
    await asyncio.get_running_loop().run_in_executor(context["threads"], time.sleep, 0.01)
    record.ended(number)


async def asleep(context, number):
    record.began()
    await asyncio.sleep(0.05)
    record.ended(number)


async def middle(context, number):
    record.began()
    json.loads(await context["side"].get("compare:doc"))
    record.ended(number)


async def wake(context, sent):
    record.woke(sent)


async def slow(context, number):
    record.started(number)
    await asyncio.sleep(0.2)
    record.finished(number)


async def opened(context):
    context["side"] = redis.asyncio.Redis.from_url(os.environ["COMPARE_SIDE_URL"])
    context["threads"] = ThreadPoolExecutor(CONCURRENCY)


class WorkerSettings:
    functions = (noop, sleep, asleep, middle, wake, slow)
    redis_settings = SETTINGS
    max_jobs = CONCURRENCY
    on_startup = opened


class Client:
    async def ready(self):
        self.pool = await create_pool(SETTINGS)

    async def one(self, kind, *row):
        await self.pool.enqueue_job(kind, *row)

    async def close(self):
        await self.pool.aclose()


if __name__ == "__main__":
    client = Client()
    command.main_async(client.one, ready=client.ready, close=client.close)
