"""FluxQueue: a Redis list that its worker, a binary apart from the package, would take the jobs from."""

import os

import command
from fluxqueue import FluxQueue

queue = FluxQueue(os.environ["COMPARE_REDIS_URL"])


@queue.task()
def noop(text: str, number: int, options: dict[str, str]) -> None:
    pass


if __name__ == "__main__":
    command.main(lambda kind, *row: noop(*row))
