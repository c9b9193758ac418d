"""A primary, two replicas and three Sentinels, all real; the ways in which the primary goes away."""

from collections.abc import Callable
from contextlib import ExitStack

import redis as redis_py

from proxy import Proxy
from servers import Server, wait_until

SERVICE = "faults"
MAX_LAG = 2
"""Seconds: the least that holds steadily, since a replica confirms once a second."""
_SYSTEM = ("system", "own-word")
"""What the servers and Sentinels call themselves to each other: so that they can be cut off and nobody else."""
_BLIND = ("blind", "no-word")
"""May ask whether a server is there, and hears nothing of replicas and other Sentinels."""


class Fleet:
    """Starts with the first server as the primary.

    `least` is the primary's `min-replicas-to-write`. `distance` is how far, in seconds, the replicas are from the
    first primary. Producers use `url`; `inner_url` is for workers that are cut off together with the replicas.
    With `stale` one more Sentinel, the first in the URLs, is on the first primary's side of any cut from the beginning.
    """

    def __init__(
        self,
        start: Callable[..., Server],
        least: int,
        distance: float = 0,
        down_after: float = 0.5,
        stale: bool = False,
    ) -> None:
        user, password = _SYSTEM
        common = (
            f"user {user} on >{password} ~* &* +@all",
            "user default on nopass ~* &* +@all -ping",  # a Sentinel that may not log in must not get by without
            f"user {_BLIND[0]} on >{_BLIND[1]} -@all +ping",
            f"masteruser {user}",
            f"masterauth {password}",
            f"min-replicas-to-write {least}",
            f"min-replicas-max-lag {MAX_LAG}",
            "repl-diskless-sync-delay 0",
            "repl-ping-replica-period 1",
            "shutdown-timeout 0",
        )
        self._stack = ExitStack()
        self.primary = start(*common)
        self._link = self._stack.enter_context(Proxy(self.primary.port, distance=distance)) if distance else None
        source = self._link.port if self._link else self.primary.port
        self.replicas = [start(*common, f"replicaof 127.0.0.1 {source}") for _ in range(2)]
        self.servers = [self.primary, *self.replicas]
        with self.primary.client() as redis:
            wait_until(lambda: all_online(redis, 2), 20, "two replicas")
        self.sentinels = [
            start(
                f"sentinel monitor {SERVICE} 127.0.0.1 {self.primary.port} 2",
                f"sentinel auth-user {SERVICE} {user}",
                f"sentinel auth-pass {SERVICE} {password}",
                f"sentinel down-after-milliseconds {SERVICE} {int(down_after * 1000)}",
                # Also how long a replica may follow a proxy rather than the primary itself.
                f"sentinel failover-timeout {SERVICE} {20_000 if distance else 5_000}",
                sentinel=True,
            )
            for _ in range(3)
        ]
        self._stale = [
            start(
                f"sentinel monitor {SERVICE} 127.0.0.1 {self.primary.port} 9",
                f"sentinel auth-user {SERVICE} {_BLIND[0]}",
                f"sentinel auth-pass {SERVICE} {_BLIND[1]}",
                sentinel=True,
            )
            for _ in range(int(stale))
        ]
        wait_until(self._know_each_other, 20, "Sentinels that know all")

    @property
    def url(self) -> str:
        return self._url("")

    @property
    def inner_url(self) -> str:
        return self._url(":".join(_SYSTEM) + "@")

    def _url(self, login: str) -> str:
        nodes = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in [*self._stale, *self.sentinels])
        return f"redis+sentinel://{login}{nodes}/{SERVICE}/0"

    def _know_each_other(self) -> bool:
        for sentinel in self.sentinels:
            with sentinel.client() as client:
                (master,) = client.sentinel_masters().values()
                states = client.sentinel_slaves(SERVICE)
            if (master["num-other-sentinels"], len(states)) != (2, 2):
                return False
            if any(state["flags"] != "slave" or state["master-link-status"] != "ok" for state in states):
                return False
        return True

    def kill(self) -> None:
        """The process ends, its machine does not: what it has handed to the kernel still goes out."""
        self.primary.kill()

    def crash(self) -> None:
        """The machine ends: what is on its way to the replicas is lost."""
        self.primary.kill()
        assert self._link is not None
        self._link.refuse()
        self._link.cut()

    def isolate(self, isolated: bool = True) -> None:
        """Replicas and Sentinels no longer reach the primary, and their lines end; producers reach it."""
        self._lock_out(isolated, "USER", _SYSTEM[0])

    def silence(self, silenced: bool = True) -> None:
        """As `isolate`; the lines of the replicas stay open and carry nothing, as when a network drops packets."""
        assert self._link is not None
        self._link.stall(silenced)
        self._lock_out(silenced, "TYPE", "normal", "USER", _SYSTEM[0])

    def freeze(self) -> None:
        self.primary.freeze()

    def _lock_out(self, locked: bool, *lines: str) -> None:
        user, password = _SYSTEM
        with self.primary.client() as redis:
            redis.acl_setuser(user, enabled=not locked, passwords=[f"+{password}"], keys=["*"], commands=["+@all"])
            if locked:
                redis.execute_command("CLIENT", "KILL", *lines)

    def promoted(self, timeout: float = 30) -> Server:
        """Waits until a replica has become the primary, and answers it."""

        def found() -> Server | None:
            return next((server for server in self.replicas if role(server) == "master"), None)

        return wait_until(found, timeout, "a promotion")

    def retire(self, old: Server, new: Server) -> None:
        """What Sentinel does some 10 s after the old primary came back: it becomes a replica."""
        with old.client() as redis:
            redis.replicaof("127.0.0.1", new.port)
            redis.execute_command("CLIENT", "KILL", "TYPE", "normal")

    def close(self) -> None:
        self._stack.close()


def role(server: Server) -> str:
    with server.client(socket_timeout=1) as redis:
        return str(redis.execute_command("ROLE")[0].decode())


def all_online(redis: redis_py.Redis, replicas: int) -> bool:
    states = [value for name, value in redis.info("replication").items() if name.startswith("slave")]
    return len(states) == replicas and all(state["state"] == "online" for state in states)
