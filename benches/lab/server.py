"""A private Redis without persistence, and what it says of its own work."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import redis

from servers import Server


@dataclass(frozen=True)
class Usage:
    """What a server has done since it started; subtract two of them."""

    cpu: float
    """Seconds, user and system, of all its threads."""
    reads: int
    """Times it has read from a client: the round trips, where clients wait for their answers."""
    commands: int
    """Commands, those that scripts call among them."""
    received: int
    """Bytes."""
    sent: int
    """Bytes."""

    def __sub__(self, earlier: "Usage") -> "Usage":
        return Usage(
            self.cpu - earlier.cpu,
            self.reads - earlier.reads,
            self.commands - earlier.commands,
            self.received - earlier.received,
            self.sent - earlier.sent,
        )


class PrivateServer:
    """A redis-server in a folder of its own for as long as a `with` block lasts.

    `options`: lines of its configuration file, such as "maxmemory 1gb".
    """

    def __init__(self, *options: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="fastkiq-bench-")
        self._server = Server("redis", Path(self._folder.name), *options)

    def __enter__(self) -> Self:
        try:
            self._server.start()
        except BaseException:
            self._folder.cleanup()
            raise
        self.client: redis.Redis = self._server.client()
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self._server.kill()  # nothing it holds is worth an orderly end
        self._folder.cleanup()

    @property
    def url(self) -> str:
        return self._server.url

    @property
    def unix_url(self) -> str:
        return self._server.unix_url

    @property
    def port(self) -> int:
        return self._server.port

    @property
    def pid(self) -> int:
        return self._server.pid

    def info(self, section: str) -> dict[str, Any]:
        """One section of INFO."""
        answer: dict[str, Any] = self.client.info(section)
        return answer

    def command_stats(self) -> dict[str, tuple[int, int]]:
        """Command -> (calls, microseconds), those that scripts call among them; subtract with `difference`."""
        stats = self.info("commandstats")
        return {name.removeprefix("cmdstat_"): (each["calls"], each["usec"]) for name, each in stats.items()}

    def usage(self) -> Usage:
        """Asking counts too: two commands, two reads."""
        cpu, stats = self.info("cpu"), self.info("stats")
        return Usage(
            cpu["used_cpu_user"] + cpu["used_cpu_sys"],
            stats["total_reads_processed"],
            stats["total_commands_processed"],
            stats["total_net_input_bytes"],
            stats["total_net_output_bytes"],
        )

    def flush(self) -> None:
        """Empties all databases and waits until the memory is free, so that no later measurement pays for it."""
        self.client.flushall(asynchronous=False)


def difference(later: dict[str, tuple[int, int]], earlier: dict[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    """What has been called between two `command_stats`."""
    none = (0, 0)
    changed = {
        name: (calls - earlier.get(name, none)[0], micros - earlier.get(name, none)[1])
        for name, (calls, micros) in later.items()
    }
    return {name: each for name, each in changed.items() if each[0]}
