"""Looks at a Redis and at who uses it, and says what would lose jobs or lets work stand still. Changes nothing."""

from collections.abc import Iterator

from fastkiq import _core
from fastkiq.doctor import network, queues, recurring, server, workers
from fastkiq.doctor.facts import Facts
from fastkiq.doctor.finding import Finding


def examine(
    core: _core.Client, url: str, wait_replicas: int = 0, wait_seconds: float = 2.5, *, embedded: bool = False
) -> tuple[str, list[Finding]]:
    """The server's name and version, and all findings. `url` is the one that `core` connects to; `wait_replicas` is the
    setting, and an enqueue call waits so many seconds for them; `embedded` says that it is the embedded server. Raises
    RedisError when Redis does not answer."""
    facts = Facts(core, wait_replicas, wait_seconds, embedded=embedded)
    return facts.server, list(_checks(facts, url))


def _checks(facts: Facts, url: str) -> Iterator[Finding]:
    yield from server.check(facts)
    yield from network.check(facts, _core.parse_url(url))
    found = workers.read(facts)
    yield from workers.check(facts, found)
    yield from queues.check(facts, found)
    yield from recurring.check(facts, found)
