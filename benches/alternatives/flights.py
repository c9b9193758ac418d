"""Measures every form of flight on one private Redis: what it costs Redis, and how fast one client goes."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import redis
from forms import ALIVE, FORMS, ID, PROCESSED
from lab.floor import python
from lab.process import run
from lab.rounds import Measurement, Results, interleave
from lab.server import PrivateServer, difference

CHILD = Path(__file__).with_name("child.py")
QUEUE, STREAM = "queue:default", "stream:default"
FILL = 1_000


def measure(results: Results, names: Sequence[str], sizes: Sequence[int], rounds: int, jobs: int) -> None:
    """Database 1 keeps the jobs; each measurement copies them to database 0, so that all find the same memory."""
    python()  # is made before anything is timed
    with PrivateServer() as server:
        fill(server, jobs)
        for size in sizes:
            contenders = {name: contender(server, name, size, jobs) for name in names}
            interleave(f"claim {size}", contenders, rounds, results)


def payload(number: int) -> bytes:
    """180 bytes, as fastkiq stores a job of `("string", number, {"mike": "bob"})`."""
    made = int(datetime.now(UTC).timestamp() * 1000)
    return (
        b'{"retry":true,"queue":"default","args":["string",%06d,{"mike":"bob"}],"class":"jobs.NoOp",'
        b'"jid":"%024x","created_at":%d,"enqueued_at":%d}' % (number, number, made, made)
    )


def fill(server: PrivateServer, jobs: int) -> None:
    with kept(server) as client:
        for start in range(0, jobs, FILL):
            payloads = [payload(number) for number in range(start, min(start + FILL, jobs))]
            pipeline = client.pipeline(transaction=False)
            pipeline.lpush(QUEUE, *payloads)
            for each in payloads:
                pipeline.xadd(STREAM, {"job": each})
            pipeline.execute()


def kept(server: PrivateServer) -> redis.Redis:
    return redis.Redis(port=server.port, db=1)


def prepare(server: PrivateServer, jobs: int) -> None:
    """`jobs` of the stored ones where a claim looks for them, and a process that is alive."""
    client = server.client
    client.flushdb(asynchronous=False)
    with kept(server) as stored:
        stored.copy(QUEUE, QUEUE, destination_db="0")
        stored.copy(STREAM, STREAM, destination_db="0")
    client.ltrim(QUEUE, -jobs, -1)
    client.xgroup_create(STREAM, "workers", id="0")
    client.zadd(ALIVE, {ID: 1.0})


def contender(server: PrivateServer, name: str, size: int, jobs: int) -> Callable[[int], Measurement]:
    form = FORMS[name]
    jobs = int(jobs * form.share)

    def once(_: int) -> Measurement:
        prepare(server, jobs)
        stats, usage = server.command_stats(), server.usage()
        answer = json.loads(run([python(), CHILD, name, str(server.port), str(jobs), str(size)]))
        used, called = server.usage() - usage, difference(server.command_stats(), stats)
        counted = int(server.client.get(PROCESSED) or 0)
        left = list(server.client.scan_iter("fastkiq:flight*"))
        if counted != jobs or left:
            raise RuntimeError(f"{counted} of {jobs} jobs counted, left behind: {left[:3]}")
        return Measurement(
            used.cpu / jobs * 1e6,
            "us of Redis a job",
            commands_us=sum(called.get(each, (0, 0))[1] for each in form.outer) / jobs,
            rate=jobs / (answer["ended"] - answer["began"]),
            bytes=(used.received + used.sent) / jobs,
            jobs=jobs,
        )

    return once
