"""cauli: a Rust worker with CPython in it; threads for functions, one event loop for coroutines, a Redis stream."""

import os
from itertools import islice

import command
import jobs
from cauli import Cauli

app = Cauli(redis_url=os.environ["COMPARE_REDIS_URL"])
# It wants the timeout below its visibility timeout of 60 s, and says so at each start with its own default of 300 s.
KINDS = {job.__name__: app.task(store_result=False, timeout=30)(job) for job in jobs.ALL}


def many(kind, rows):
    while batch := [(KINDS[kind], row) for row in islice(rows, 1000)]:
        app.enqueue_many(batch)


if __name__ == "__main__":
    command.main(lambda kind, *row: KINDS[kind].delay(*row), many)
