"""What the tests of the scripts share: a user who may touch the keys that a call declares and no others, and looks."""

from collections.abc import Iterator
from typing import Any, Self

import pytest
import redis as redis_py

from model.calls import DAILY_TTL, STATS, Call, flight, join
from servers import Server

ME, OTHER = "vm:1:ab", "vm:2:cd"
LIST, QUEUE = flight(ME, "mail", 1), "queue:mail"


class Restricted:
    """Runs calls: a key that a script touches without having declared it answers NOPERM."""

    def __init__(self, server: Server) -> None:
        self._admin = server.client()
        self._user = server.client(username="script", password="script")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._user.close()
        self._admin.acl_deluser("script")
        self._admin.close()

    def __call__(self, call: Call) -> Any:
        keys = [f"~{key}" for key in call.keys]
        self._admin.execute_command("ACL", "SETUSER", "script", "reset", "on", ">script", "+@all", *keys)
        return call.run(self._user)


@pytest.fixture
def run(server: Server) -> Iterator[Restricted]:
    with Restricted(server) as run:
        yield run


@pytest.fixture
def joined(run: Restricted) -> None:
    run(join(ME, ["mail", "low"]))


def jobs(count: int, prefix: str = "j") -> list[bytes]:
    return [f"{prefix}{number}".encode() for number in range(count)]


def unmarked(*names: bytes) -> list[tuple[bytes, str, str, str, bytes]]:
    """Rows of a rescue, for jobs that are not suspect yet."""
    return [(name, f"jid-{name.decode()}", "", "1:0:5", b"") for name in names]


def oldest_first(redis: redis_py.Redis, key: str) -> list[bytes]:
    return list(reversed(redis.lrange(key, 0, -1)))


def counts(redis: redis_py.Redis) -> tuple[int, int]:
    """Processed and failed; the daily counts agree with them and are kept for five years."""
    values = [int(value or 0) for value in redis.mget(STATS)]
    assert values[:3:2] == values[1::2]
    for key in STATS[1::2]:
        assert redis.ttl(key) in (-2, DAILY_TTL, DAILY_TTL - 1)
    assert {redis.ttl(key) for key in STATS[::2]} <= {-2, -1}
    return values[0], values[2]
