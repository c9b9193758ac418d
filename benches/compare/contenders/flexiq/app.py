"""FlexiQ: a Rust scheduler and threads, Redis hashes and sorted sets."""

import os
from itertools import islice

import command
import jobs
from flexiq import Queue

CONCURRENCY = int(os.environ["COMPARE_CONCURRENCY"])

queue = Queue(
    backend="redis", db_url=os.environ["COMPARE_REDIS_URL"], workers=CONCURRENCY, async_concurrency=CONCURRENCY
)
KINDS = {job.__name__: queue.task()(job) for job in jobs.ALL}


def many(kind, rows):
    while batch := list(islice(rows, 1000)):
        KINDS[kind].map(batch)


if __name__ == "__main__":
    command.main(lambda kind, *row: KINDS[kind].delay(*row), many)
