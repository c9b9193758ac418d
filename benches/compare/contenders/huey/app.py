"""Huey: threads, one Redis list."""

import json
import os
import time

import command
import record
import redis
from huey import RedisHuey

huey = RedisHuey("compare", url=os.environ["COMPARE_REDIS_URL"])
side = redis.Redis.from_url(os.environ["COMPARE_SIDE_URL"])


@huey.task()
def noop(text, number, options):
    record.ran(number)


@huey.task()
def sleep(number):
    record.began()
    time.sleep(0.01)
    record.ended(number)


@huey.task()
def middle(number):
    record.began()
    json.loads(side.get("compare:doc"))
    record.ended(number)


@huey.task()
def wake(sent):
    record.woke(sent)


@huey.task()
def slow(number):
    record.started(number)
    time.sleep(0.2)
    record.finished(number)


if __name__ == "__main__":
    # The worker imports this file as `app`; a task's name has its module in it.
    import app

    command.main(lambda kind, *row: getattr(app, kind)(*row))
