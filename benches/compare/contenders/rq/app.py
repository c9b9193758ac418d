"""RQ: a pool of workers that fork for every job."""

import json
import os
import time
from itertools import islice

import command
import record
import redis
from rq import Queue

connection = redis.Redis.from_url(os.environ["COMPARE_REDIS_URL"])
side = redis.Redis.from_url(os.environ["COMPARE_SIDE_URL"])
queue = Queue(connection=connection)


def noop(text, number, options):
    record.ran(number)


def sleep(number):
    record.began()
    time.sleep(0.01)
    record.ended(number)


def middle(number):
    record.began()
    json.loads(side.get("compare:doc"))
    record.ended(number)


def wake(sent):
    record.woke(sent)


def slow(number):
    record.started(number)
    time.sleep(0.2)
    record.finished(number)


def many(kind, rows):
    while batch := list(islice(rows, 1000)):
        queue.enqueue_many([Queue.prepare_data(f"app.{kind}", row) for row in batch])


if __name__ == "__main__":
    command.main(lambda kind, *row: queue.enqueue(f"app.{kind}", *row), many)
