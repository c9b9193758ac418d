"""What a job takes in Redis's memory: waiting, scheduled, claimed."""

from collections.abc import Callable

from lab.rounds import Measurement
from lab.server import PrivateServer
from redis.client import Pipeline

BATCH = 100
Put = Callable[[Pipeline, int, list[bytes]], object]


def queued(pipeline: Pipeline, number: int, jobs: list[bytes]) -> None:
    pipeline.lpush("queue:default", *jobs)


def scheduled(pipeline: Pipeline, number: int, jobs: list[bytes]) -> None:
    pipeline.zadd("schedule", {job: 1.7e9 + number * BATCH + index / 3 for index, job in enumerate(jobs)})


def claimed(pipeline: Pipeline, number: int, jobs: list[bytes]) -> None:
    """As claim.lua leaves them."""
    pipeline.lpush(f"fastkiq:flight:bench:1:abcdef:default:{number}", *jobs)
    pipeline.sadd("fastkiq:flights:bench:1:abcdef", f"default:{number}")


PLACES: dict[str, Put] = {"in a queue": queued, "scheduled, to be retried, dead": scheduled, "claimed": claimed}


def taking(server: PrivateServer, put: Put, size: int, jobs: int) -> Callable[[int], Measurement]:
    """Bytes a job of so large a payload, all overhead of Redis included, in batches of 100."""

    def once(_: int) -> Measurement:
        server.flush()
        before = server.info("memory")["used_memory"]
        for number in range(jobs // BATCH):
            pipeline = server.client.pipeline(transaction=False)
            payloads = [b"%0*d" % (size, number * BATCH + index) for index in range(BATCH)]
            put(pipeline, number, payloads)
            pipeline.execute()
        taken = server.info("memory")["used_memory"] - before
        return Measurement(taken / (jobs // BATCH * BATCH), "bytes", payload=size)

    return once
