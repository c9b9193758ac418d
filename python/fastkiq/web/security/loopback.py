"""Who is on this very machine."""

from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address
from typing import Any, Final

FORWARDED: Final = frozenset({b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip", b"via"})


def is_loopback(host: str) -> bool:
    """Whether an address or name means this machine. Names below `localhost` do, in every browser."""
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ip_address(name)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback


def client_address(scope: Mapping[str, Any]) -> str:
    """The address that has connected, as the server tells it; empty when it is not known."""
    client = scope.get("client")
    if client:
        return str(client[0])
    # a2wsgi leaves it out when there is no port, as with wsgiref.
    return str(scope.get("wsgi_environ", {}).get("REMOTE_ADDR", ""))


def is_direct(scope: Mapping[str, Any]) -> bool:
    """Whether the client has connected from this machine and says of itself that it speaks for nobody else.

    A proxy on this machine connects from loopback too; nearly all of them say so in a header.
    """
    return is_loopback(client_address(scope)) and not any(name in FORWARDED for name, _ in scope["headers"])
