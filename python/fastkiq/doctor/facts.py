"""What Redis tells about itself. What it hides, or forbids to ask, is absent."""

from typing import Any

from fastkiq import _core
from fastkiq.errors import RedisAuthError, RedisBusyError, RedisConnectionError, RedisError


class Facts:
    """Questions to one Redis. A refusal answers None; only a server that answers nothing at all raises RedisError."""

    def __init__(
        self, core: _core.Client, wait_replicas: int = 0, wait_seconds: float = 2.5, *, embedded: bool = False
    ) -> None:
        self.core = core
        self.wait_replicas, self.wait_seconds, self.embedded = wait_replicas, wait_seconds, embedded
        try:
            core.command("PING")
        except RedisAuthError as error:
            if not str(error).startswith("NOPERM"):
                raise
        text = self.ask("INFO") or b""
        lines = text.decode("utf-8", "replace").splitlines() if isinstance(text, bytes) else []
        self.info: dict[str, str] = dict(line.split(":", 1) for line in lines if ":" in line)
        self._settings: dict[str, str | None] = {}
        saves = self.setting("save")
        if saves is not None:
            self.info["rdb_saves"] = saves

    def ask(self, *words: str | bytes | int) -> Any:
        """The answer, or None."""
        try:
            return self.core.command(*words)
        except (RedisConnectionError, RedisBusyError):
            raise
        except RedisError:
            return None

    def setting(self, name: str) -> str | None:
        """A line of the server's configuration."""
        if name not in self._settings:
            answer = self.ask("CONFIG", "GET", name)
            found = isinstance(answer, list) and len(answer) == 2 and isinstance(answer[1], bytes)
            self._settings[name] = answer[1].decode("utf-8", "replace") if found else None
        return self._settings[name]

    def number(self, name: str) -> int | None:
        """A whole number among the server's facts."""
        return whole(self.info.get(name))

    def time(self) -> float | None:
        """Epoch seconds by Redis's clock."""
        answer = self.ask("TIME")
        return int(answer[0]) + int(answer[1]) / 1e6 if isinstance(answer, list) and len(answer) == 2 else None

    @property
    def server(self) -> str:
        """`redis 7.0.15`, `valkey 9.0.1`."""
        version = self.info.get("valkey_version") or self.info.get("redis_version", "of an unknown version")
        return f"{self.info.get('server_name', 'redis')} {version}"


def whole(text: str | bytes | None) -> int | None:
    """A whole number that is not negative; None for anything else."""
    text = text.decode("ascii", "replace") if isinstance(text, bytes) else text
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 19 else None
