"""Celery: the same tasks for its pool of threads and its pool of processes."""

import json
import os
import time

import command
import record
import redis
from celery import Celery

app = Celery("app", broker=os.environ["COMPARE_REDIS_URL"])
app.conf.task_ignore_result = True  # nobody reads results here
app.conf.broker_connection_retry_on_startup = True
side = redis.Redis.from_url(os.environ["COMPARE_SIDE_URL"])


@app.task(name="noop")
def noop(text, number, options):
    record.ran(number)


@app.task(name="sleep")
def sleep(number):
    record.began()
    time.sleep(0.01)
    record.ended(number)


@app.task(name="middle")
def middle(number):
    record.began()
    json.loads(side.get("compare:doc"))
    record.ended(number)


@app.task(name="wake")
def wake(sent):
    record.woke(sent)


@app.task(name="slow")
def slow(number):
    record.started(number)
    time.sleep(0.2)
    record.finished(number)


if __name__ == "__main__":
    command.main(lambda kind, *row: app.tasks[kind].delay(*row))
