"""mayu: a Rust core that runs functions on threads and coroutines on one event loop, a Redis stream."""

import os

import command
import jobs
from mayu import App

app = App(os.environ["COMPARE_REDIS_URL"])
KINDS = {job.__name__: app.task(job) for job in jobs.ALL}

if __name__ == "__main__":
    command.main(lambda kind, *row: KINDS[kind].delay(*row), ready=lambda: app.client)
