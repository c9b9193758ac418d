"""What Redis and one Python can do when nothing is kept safe: the floors of each workload."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import hiredis
import orjson
import record

CONCURRENCY = int(os.environ["COMPARE_CONCURRENCY"])
JOBS = int(os.environ.get("COMPARE_JOBS", "0"))
PORT = urlsplit(os.environ["COMPARE_REDIS_URL"]).port
POP = b"return redis.call('RPOP', KEYS[1], 100) or {}"
QUEUE = b"queue:floor"


class Line:
    """A bare connection, one request and one answer at a time."""

    def __init__(self):
        self.socket = socket.create_connection(("127.0.0.1", PORT))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = hiredis.Reader()

    def ask(self, request):
        self.socket.sendall(request)
        while (answer := self.reader.gets()) is False:
            self.reader.feed(self.socket.recv(1 << 18))
        return answer


class Noop:
    def perform(self, text, number, options):
        record.ran(number)


def request(*words):
    return hiredis.pack_command(words)


def payload(kind, *row):
    """About 180 bytes for a no-op job, as Sidekiq and fastkiq store it."""
    fields = {
        "retry": True,
        "queue": "default",
        "args": row,
        "class": f"app.{kind.title()}",
        "jid": os.urandom(12).hex(),
    }
    return orjson.dumps({**fields, "created_at": 1700000000000, "enqueued_at": 1700000000000})


def enqueue(kind, jobs):
    """One by one: redis-benchmark for speed, and by hand where it matters what is in a job."""
    if kind == "noop" and jobs >= 1_000:
        fill = "x" * len(payload(kind, "string", 1, {"mike": "bob"}))
        command = [
            "redis-benchmark",
            "-p",
            str(PORT),
            "-c",
            "1",
            "-n",
            str(jobs),
            "--csv",
            "LPUSH",
            "floor:filling",
            fill,
        ]
        answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip().splitlines()[-1]
        return jobs / float(answer.rpartition('","')[0].split('","')[-6])
    line, began = Line(), time.perf_counter()
    for number in range(1, jobs + 1):
        if kind == "wake":
            time.sleep(0.0175)
        row = ("string", number, {"mike": "bob"}) if kind == "noop" else (number,)
        line.ask(request(b"LPUSH", QUEUE, payload(kind, *((time.monotonic_ns(),) if kind == "wake" else row))))
    return time.perf_counter() - began


def bulk(kind, jobs):
    """1,000 payloads an LPUSH, encoded beforehand."""
    line, prepared = Line(), []
    for start in range(1, jobs + 1, 1_000):
        numbers = range(start, min(start + 1_000, jobs + 1))
        prepared.append(request(b"LPUSH", QUEUE, *(payload(kind, "string", n, {"mike": "bob"}) for n in numbers)))
    began = time.perf_counter()
    for each in prepared:
        line.ask(each)
    return time.perf_counter() - began


def drain():
    """One thread; what the queue holds, 100 at a time."""
    line = Line()
    pop = request(b"EVALSHA", line.ask(request(b"SCRIPT", b"LOAD", POP)), b"1", QUEUE)
    loads, workers = orjson.loads, {"app.Noop": Noop}
    while jobs := line.ask(pop):
        for each in jobs:
            job = loads(each)
            workers[job["class"]]().perform(*job["args"])


def wait_for_wakes():
    line, pop = Line(), request(b"BRPOP", QUEUE, b"5")
    while True:
        answer = line.ask(pop)
        if answer:
            record.woke(orjson.loads(answer[1])["args"][0])


def in_threads(work):
    with ThreadPoolExecutor(CONCURRENCY) as pool:
        for number in range(1, JOBS + 1):
            pool.submit(work, number)


def sleep(number):
    record.began()
    time.sleep(0.01)
    record.ended(number)


def middle():
    import redis

    side = redis.Redis.from_url(os.environ["COMPARE_SIDE_URL"])

    def work(number):
        record.began()
        json.loads(side.get("compare:doc"))
        record.ended(number)

    return work


async def asleep():
    room = asyncio.Semaphore(CONCURRENCY)

    async def work(number):
        async with room:
            record.began()
            await asyncio.sleep(0.05)
            record.ended(number)

    await asyncio.gather(*(work(number) for number in range(1, JOBS + 1)))


def work(kind):
    if kind == "noop":
        drain()
    elif kind == "wake":
        wait_for_wakes()
    elif kind == "asleep":
        asyncio.run(asleep())
    else:
        in_threads(sleep if kind == "sleep" else middle())
    time.sleep(600)  # until it is ended


if __name__ == "__main__":
    how, kind = sys.argv[1:3]
    if how == "work":
        work(kind)
    elif kind in ("sleep", "asleep", "middle"):
        print(json.dumps({"seconds": 1e-9, "jobs": 0}))  # these know no queue
    else:
        jobs = int(sys.argv[3])
        print(json.dumps({"seconds": {"enqueue": enqueue, "bulk": bulk}[how](kind, jobs), "jobs": jobs}))
