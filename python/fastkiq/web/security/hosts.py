"""The names by which a site may be called."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from fastkiq.errors import ConfigError
from fastkiq.printable import shown
from fastkiq.web.security.loopback import is_loopback

_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(?::[0-9]{1,5})?")
_ADDRESS: Final = re.compile(r"\[[0-9a-f:.]+\]|[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_WILDCARDS: Final = frozenset({"0.0.0.0", "::", ""})


@dataclass(frozen=True)
class HostList:
    """Loopback's names, and those given. `*.example.org` stands for every name below; ports do not matter."""

    names: frozenset[str] = frozenset()
    any_address: bool = False
    """Whether every IP address will do, as when all of this machine's are listened at. That is no gap: a name can be
    made to lead here (DNS rebinding), an address cannot."""

    @classmethod
    def of(cls, allowed: Iterable[str], bound: str | None = None) -> "HostList":
        """The names of `--allow-host`, and the address that is listened at. Raises ConfigError for what is no name."""
        if isinstance(allowed, str):
            raise ConfigError(f"allowed_hosts must be a list of names, not the text {shown(allowed)}")
        names = {_checked(name) for name in allowed}
        if bound is not None and bound not in _WILDCARDS:
            names.add(f"[{bound}]".lower() if ":" in bound else bound.lower())
        return cls(frozenset(names), bound in _WILDCARDS)

    def allows(self, header: str) -> bool:
        """Whether this value of `Host` names us."""
        name = host_of(header)
        if name is None:
            return False
        if is_loopback(name) or name in self.names or (self.any_address and _ADDRESS.fullmatch(name)):
            return True
        labels = name.split(".")
        return any("*." + ".".join(labels[start:]) in self.names for start in range(1, len(labels)))


def host_of(header: str) -> str | None:
    """The name in a `Host` header, without its port, in small letters; None when it is none."""
    match = _HOST.fullmatch(header) if len(header) <= 300 else None
    return None if match is None else match[1].rstrip(".").lower()


def _checked(name: str) -> str:
    wanted = name.removeprefix("*.")
    if host_of(wanted) is None or ":" in wanted.rpartition("]")[2]:
        raise ConfigError(
            f"not the name of a host: {shown(name)}; say it without scheme and port, as in jobs.example.org"
        )
    return name.rstrip(".").lower()
