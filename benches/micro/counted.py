"""What runs under callgrind, by benches/counts.py: each case between two calls of `getppid`, which cut the profile.

    valgrind --tool=callgrind --dump-before=getppid python benches/micro/counted.py URL codec pushes jobs

Prints [[case, operations], ...] in the order of the cuts. The loop around each call is counted with it.
"""

import gc
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from samples import ARGS, BULK, DOCUMENT, FAILURE, PAYLOAD, QUEUE, Nothing, template

import fastkiq
from fastkiq import _core, registry
from fastkiq.config import Config
from fastkiq.middleware import Chain
from fastkiq.policy import RetryPolicy
from fastkiq.processor import Processor

CALLS = 300
JOBS = 2_000
ROWS = [["string", number, {"mike": "bob"}] for number in range(BULK)]
counted: list[tuple[str, int]] = []


@contextmanager
def cut(case: str, operations: int) -> Iterator[None]:
    """What happens inside is the case, and nothing else is."""
    counted.append((case, operations))
    os.getppid()
    yield
    os.getppid()


def calls(case: str, call: Callable[..., object], *args: object) -> None:
    """Repeats one call, once what it caches is there."""
    for _ in range(3):
        call(*args)
    with cut(case, CALLS):
        for _ in range(CALLS):
            call(*args)


def codec(url: str) -> None:
    calls("a call of nothing", lambda: None)
    document = _core.encode(DOCUMENT)
    calls("encode args", _core.encode, ARGS)
    calls("encode document", _core.encode, DOCUMENT)
    calls("decode args", _core.decode, _core.encode(ARGS))
    calls("decode document", _core.decode, document)
    calls("decode payload", _core.decode, PAYLOAD)
    calls("splice", _core.splice, PAYLOAD, FAILURE)


def pushes(url: str) -> None:
    with closing(_core.Client(url)) as client:
        calls("core push", client.push, template(), ARGS)
    calls("perform_async", Nothing.perform_async, "string", 1234, {"mike": "bob"})
    Nothing.perform_bulk(ROWS)
    with cut("perform_bulk, a job", BULK):
        Nothing.perform_bulk(ROWS)


def jobs(url: str) -> None:
    """Claims and acks happen beside these in threads of the core."""
    for _ in range(JOBS * 3 // BULK):
        Nothing.perform_bulk(ROWS)
    server = _core.Server(url, registry.table(), {"queues": [(QUEUE, 0)], "concurrency": 1})
    server.start()
    thread = Processor(server, "bench", RetryPolicy(Config()), Chain(), verbose=False)
    take, perform, work = server.processor("bench").next, thread._perform, Nothing().perform
    for _ in range(JOBS // 4):
        one(take, perform)
    with cut("next, args, done", JOBS):
        for _ in range(JOBS):
            unit = take()
            assert unit is not None
            work(*unit.args)
            unit.done()
    with cut("processor, a job", JOBS):
        for _ in range(JOBS):
            one(take, perform)
    server.quiet()
    server.stop()


def one(take: Callable[[], _core.Unit | None], perform: Callable[[_core.Unit], bool]) -> None:
    unit = take()
    assert unit is not None
    perform(unit)


def main(url: str, *suites: str) -> None:
    fastkiq.configure(redis_url=url)
    gc.disable()
    for suite in suites:
        SUITES[suite](url)
    print(json.dumps(counted))


SUITES = {"codec": codec, "pushes": pushes, "jobs": jobs}

if __name__ == "__main__":
    main(*sys.argv[1:])
