"""What one web application is made of: its settings, its Redis, its templates' facts."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from fastkiq.config import Config
from fastkiq.web.assets import Assets, packaged
from fastkiq.web.security.credentials import Credentials
from fastkiq.web.security.hosts import HostList

if TYPE_CHECKING:
    import redis


@dataclass(frozen=True)
class Site:
    """Made once by `app()`; the pages find it as `current().site`."""

    config: Config
    redis_url: str | None
    hosts: HostList
    credentials: Credentials
    authorize: Callable[[Any], Any] | None = None
    read_only: bool = False
    standalone: bool = False
    prefix: str = ""
    filter_args: Collection[str] = ()
    """Names of arguments whose values no page shows."""
    secret: bytes = field(kw_only=True, repr=False)
    """Signs the tokens of forms."""
    assets: Assets = field(default_factory=packaged)

    @cached_property
    def redis(self) -> "redis.Redis":
        """The client of every page: thread-safe, connects when first used. Strings come as bytes."""
        import redis as redis_py

        return redis_py.Redis.from_url(
            self.config.resolved_url(self.redis_url),
            socket_timeout=self.config.redis_timeout,
            socket_connect_timeout=self.config.connect_timeout,
            protocol=2,
        )

    @property
    def safe_url(self) -> str:
        """Where Redis is, without secrets."""
        from fastkiq import _core

        return str(_core.parse_url(self.redis_url)["safe"]) if self.redis_url else self.config.safe_url()

    @property
    def open_to_loopback_only(self) -> bool:
        """Whether nothing but the way here tells who may come in."""
        return self.authorize is None and not self.credentials
