"""Which recurring job a test means, and the payloads that its ticks make."""

import secrets
from collections.abc import Iterator
from typing import Any

from fastkiq import client, registry
from fastkiq.cron.declared import declared
from fastkiq.cron.definition import Definition
from fastkiq.errors import ArgumentError
from fastkiq.testing.wanted import Target, entry_of, name


def every() -> list[Definition]:
    """All that loaded classes and the settings declare."""
    return declared(client.default().config)


def of(worker: Target) -> Definition:
    """The one of this worker, or of this name. Raises ArgumentError."""
    known = every()
    named = [each for each in known if each.name == worker]
    entry = entry_of(worker)
    found = named or [each for each in known if entry is not None and registry.find(each.class_name) is entry]
    match found:
        case [one]:
            return one
        case []:
            raise ArgumentError(
                f"{name(worker)} is no recurring job: give its class cron=... or every=..., or the settings a schedule"
            )
        case several:
            names = ", ".join(repr(each.name) for each in several)
            raise ArgumentError(f"{name(worker)} has several schedules: say which one by its name, of {names}")


def payload(definition: Definition, tick: float, now: float) -> dict[str, Any]:
    """The job of one tick that is enqueued at `now`, both in epoch seconds."""
    return definition.payload(secrets.token_hex(12), tick=tick, now=now, compat=client.default().config.compat)


def ticks(definition: Definition, begins: float, ends: float) -> Iterator[float]:
    """Of one that is first entered at `begins`, up to `ends`, both in epoch seconds."""
    tick = definition.first(begins) if definition.enabled else None
    while tick is not None and tick <= ends:
        yield tick
        tick = next(iter(definition.ticks(tick, 1, tick)), None)
