"""Checks of the way to Redis: how long it takes, whose clock is right, who may listen."""

import time
from collections.abc import Iterator
from ipaddress import ip_address
from statistics import median
from typing import Any, Final

from fastkiq.boot_checks import SLOW_TRIP
from fastkiq.doctor.facts import Facts
from fastkiq.doctor.finding import Finding

_TRIPS: Final = 9
_SKEW: Final = 2.0
"""Seconds that clocks may differ: `perform_at` means what the caller's clock says."""


def check(facts: Facts, url: dict[str, Any]) -> Iterator[Finding]:
    """All of them. `url` in its parts, as `_core.parse_url` answers."""
    trips, skews = [], []
    for _ in range(_TRIPS):
        sent = time.monotonic()
        clock = facts.time()
        trips.append(time.monotonic() - sent)
        if clock is not None:
            skews.append(time.time() - trips[-1] / 2 - clock)
    yield round_trip(median(trips))
    yield clock_skew(median(skews) if skews else None)
    yield encryption(url)


def round_trip(seconds: float) -> Finding:
    """How far Redis is."""
    found = f"a round trip takes {seconds * 1000:.2f} ms (median of {_TRIPS})"
    if seconds > SLOW_TRIP:
        do = "move workers and Redis closer together, or give them more CPU"
        return Finding("round-trip", "warning", f"{found}: the network or a machine is too busy or too far away", do)
    return Finding("round-trip", "ok", found)


def clock_skew(seconds: float | None) -> Finding:
    """This host's clock beside Redis's."""
    if seconds is None:
        return Finding("clock", "unknown", "Redis does not tell its time", "allow the command TIME: workers need it")
    found = f"this clock is {abs(seconds):,.2f} s {'ahead of' if seconds > 0 else 'behind'} Redis's"
    if abs(seconds) >= _SKEW:
        do = "synchronise both (NTP): jobs for a time of day run early or late by that much"
        return Finding("clock", "warning", found, do)
    return Finding("clock", "ok", found)


def encryption(url: dict[str, Any]) -> Finding:
    """Whether jobs and password leave this machine in the clear."""
    if url["tls"]:
        return Finding("encryption", "ok", "the connection is encrypted")
    hosts = [host for host, _ in url["sentinels"] or ()] or [url["host"]]
    if any(host is not None and not _is_here(host) for host in hosts):
        found = "jobs and password cross the network unencrypted"
        return Finding("encryption", "info", found, "use rediss:// unless the network is yours alone")
    return Finding("encryption", "ok", "the connection does not leave this machine")


def _is_here(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
