"""Long and short jobs on one queue, four processes: does a job wait in one while another has a free thread?

The jobs tell when and in which process they ran. Meanwhile one script, every 2 ms, reads all flights: what each
process has claimed and not acked. A job that lies in a process's flight and has not begun there is waiting; a process
with fewer jobs running than it has threads has a free thread. What is counted is the time in which both were so, from
the first look that saw the job there to its start, or to the last look that saw it there when it was given back. Up to
one look's distance may be missing at either end; `look` is the longest that there was.

A job that is given back and claimed again by the same process between two looks has waited on: the figure that is
judged takes both claims for one wait. `by_claim` takes them apart.
"""

import random
import time
from bisect import bisect_right
from contextlib import ExitStack
from itertools import pairwise

from lab.rounds import Measurement

from goals.bench import Bench
from goals.worker import FastkiqWorker, Record

LONG, LONG_SECONDS = 100, 1.0
SHORT, SHORT_SECONDS = 10_000, 0.001
PROCESSES, CONCURRENCY = 4, 10
PAUSE = 0.002

_LOOK = """
local found = {}
for _, id in ipairs(redis.call('ZRANGE', 'fastkiq:alive', 0, -1)) do
  local own = {id}
  for _, member in ipairs(redis.call('SMEMBERS', 'fastkiq:flights:' .. id)) do
    for _, job in ipairs(redis.call('LRANGE', 'fastkiq:flight:' .. id .. ':' .. member, 0, -1)) do
      own[#own + 1] = string.match(job, '"args":%[(%d+),')
      own[#own + 1] = string.match(member, '%d+$')
    end
  end
  for _, job in ipairs(redis.call('LRANGE', 'fastkiq:flight:' .. id .. ':default:0', 0, -1)) do
    own[#own + 1] = string.match(job, '"args":%[(%d+),')
    own[#own + 1] = '0'
  end
  found[#found + 1] = own
end
return found
"""
_JOB = (
    b'{"retry":true,"queue":"default","args":[%d,%s],"class":"jobs.Timed","jid":"%024x","created_at":1700000000000,'
    b'"enqueued_at":1700000000000}'
)

Interval = tuple[int, int]
"""From, to: CLOCK_MONOTONIC in ns."""
Runs = dict[int, tuple[int, int, int]]
"""Job -> (process, start, end)."""
Looks = list[tuple[int, dict[int, dict[int, int]]]]
"""Each with its time: process -> job in its flight -> the claim that it came with."""


def measure(bench: Bench) -> None:
    """Workload `fairness`."""
    bench.measure("fairness", {"fastkiq": lambda _: _fastkiq(bench)})


def _fastkiq(bench: Bench) -> Measurement:
    short, long = bench.jobs(SHORT), max(1, int(LONG * bench.scale))
    seconds = [LONG_SECONDS] * long + [SHORT_SECONDS] * short
    random.Random(7).shuffle(seconds)
    jobs = [_JOB % (number, str(each).encode(), number) for number, each in enumerate(seconds)]
    record = Record(bench.path("record"))
    client = bench.server.client
    looks: Looks = []
    with ExitStack() as stack:
        workers = [
            stack.enter_context(FastkiqWorker(bench, 1, concurrency=CONCURRENCY, record=record))
            for _ in range(PROCESSES)
        ]
        # Any of them may have run the jobs that told of readiness; all are in the registry before they claim.
        workers[0].wait(lambda: client.zcard("fastkiq:alive") == PROCESSES, 30, f"{PROCESSES} processes")
        time.sleep(1)
        look = client.register_script(_LOOK)
        client.lpush("aside", *jobs)
        client.rename("aside", "queue:default")
        deadline = time.monotonic() + 60
        while record.path.read_bytes().count(b" ran ") < len(jobs):
            answer = look()
            looks.append((time.monotonic_ns(), {_pid(own[0]): _pairs(own[1:]) for own in answer}))
            if time.monotonic() > deadline:
                raise RuntimeError(f"not within 60 s: {len(jobs)} jobs; {record.count('ran')} ran")
            time.sleep(PAUSE)
        pids = [worker.pid for worker in workers]
    runs = {int(values[0]): (int(values[1]), int(values[2]), end) for end, values in record.lines("ran")}
    return _judged(runs, looks, pids)


def _pid(identity: bytes) -> int:
    """Sidekiq's identities are host:pid:nonce."""
    return int(identity.split(b":")[1])


def _pairs(words: list[bytes]) -> dict[int, int]:
    return {int(job): int(claim) for job, claim in zip(words[::2], words[1::2], strict=True)}


def _judged(runs: Runs, looks: Looks, pids: list[int]) -> Measurement:
    free = {pid: free_times([(start, end) for own, start, end in runs.values() if own == pid]) for pid in pids}
    anyone_but = {pid: union([each for other in pids if other != pid for each in free[other]]) for pid in pids}

    def unfair(by_claim: bool) -> list[float]:
        return [overlap((begin, end), anyone_but[pid]) / 1e6 for pid, begin, end in waiting(runs, looks, by_claim)]

    waits = unfair(by_claim=False)
    distances = [(later[0] - earlier[0]) / 1e6 for earlier, later in pairwise(looks)]
    ends = [end for _, _, end in runs.values()]
    starts = [start for _, start, _ in runs.values()]
    return Measurement(
        max(waits, default=0.0),
        "ms",
        over_50=sum(wait > 50 for wait in waits),
        by_claim=max(unfair(by_claim=True), default=0.0),
        seen=len(waits),
        longest_wait=max(((end - begin) / 1e6 for _, begin, end in waiting(runs, looks, False)), default=0.0),
        look=max(distances, default=0.0),
        look_median=sorted(distances)[len(distances) // 2] if distances else 0.0,
        seconds=(max(ends) - min(starts)) / 1e9,
        jobs=len(runs),
    )


def waiting(runs: Runs, looks: Looks, by_claim: bool) -> list[tuple[int, int, int]]:
    """(process, from, to): each unbroken time in which looks saw a job in a flight before it began."""
    open_: dict[tuple[int, int, int], list[int]] = {}
    found = []
    for when, flights in looks:
        seen = {
            (job, pid, claim if by_claim else -1)
            for pid, jobs in flights.items()
            for job, claim in jobs.items()
            if job in runs and runs[job][1] > when
        }
        found += [_closed(key, open_.pop(key), when, runs) for key in [*open_] if key not in seen]
        for key in seen:
            open_.setdefault(key, [when, when])[1] = when
    return found + [_closed(key, times, 2**63, runs) for key, times in open_.items()]


def _closed(key: tuple[int, int, int], times: list[int], unseen: int, runs: Runs) -> tuple[int, int, int]:
    """`unseen`: the first look that did not find it waiting. It has begun there by then, or was given back."""
    job, pid, _ = key
    own, start, _ = runs[job]
    return pid, times[0], start if own == pid and start <= unseen else times[1]


def free_times(runs: list[Interval]) -> list[Interval]:
    """When fewer jobs ran in a process than it has threads."""
    steps = sorted([(start, 1) for start, _ in runs] + [(end, -1) for _, end in runs])
    free, running, since = [], 0, 0
    for when, step in steps:
        full = running >= CONCURRENCY
        running += step
        if full and running < CONCURRENCY:
            since = when
        elif not full and running >= CONCURRENCY:
            free.append((since, when))
    return [*free, (since, 2**63)]


def union(intervals: list[Interval]) -> list[Interval]:
    """The same times, in order and without overlaps."""
    merged: list[Interval] = []
    for begin, end in sorted(intervals):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((begin, end))
    return merged


def overlap(interval: Interval, times: list[Interval]) -> int:
    """How much of an interval lies within times that are in order and without overlaps."""
    begin, end = interval
    total = 0
    for index in range(max(0, bisect_right(times, (begin, 2**63)) - 1), len(times)):
        if times[index][0] >= end:
            break
        total += max(0, min(end, times[index][1]) - max(begin, times[index][0]))
    return total
