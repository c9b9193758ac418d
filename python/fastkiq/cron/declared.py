"""The recurring jobs that a process declares: those of its loaded workers and those of its settings."""

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from fastkiq import registry
from fastkiq.cron.definition import Definition, seconds_of
from fastkiq.errors import ConfigError, DefinitionError

if TYPE_CHECKING:
    from fastkiq.config import Config
    from fastkiq.cron.schedule import Planned


def of_class(entry: registry.Entry, keywords: dict[str, Any]) -> Definition:
    """What the keywords `cron`, `every`, `timezone` and `missed` of a class say. Raises DefinitionError."""
    if "cron" not in keywords and "every" not in keywords:
        raise DefinitionError(f"{entry.origin}: {next(iter(keywords))} needs cron=... or every=...")
    if entry.signature is None:
        raise DefinitionError(f"{entry.origin}: defines no perform, so there is nothing to run by a schedule")
    if not entry.signature.fits(0):
        where = f"{entry.signature.where}{entry.signature.inspected}"
        raise DefinitionError(f"{entry.origin}: {where} needs arguments, which no schedule passes: give them defaults")
    doc = (vars(entry.worker).get("__doc__") or "").strip().partition("\n")[0]
    if "every" in keywords:
        keywords = {**keywords, "every": seconds_of(keywords["every"])}
    try:
        return Definition(
            name=entry.name,
            class_name=entry.name,
            queue=entry.options["queue"],
            options=_other(entry.options),
            description=doc[:200],
            **keywords,
        )
    except ValueError as error:
        raise DefinitionError(f"{entry.origin}: {error}") from None


def declared(config: "Config") -> list[Definition]:
    """All of them. Raises ConfigError when two go by one name, or arguments of the settings do not fit the worker."""
    found: dict[str, Definition] = {}
    for entry in registry.entries():
        if entry.recurring is not None:
            found[entry.recurring.name] = entry.recurring
    source = config.source("schedule")
    for planned in config.schedule.values():
        if planned.name in found:
            raise ConfigError(f"{source}: schedule {planned.name!r} is declared by a class of that wire name already")
        found[planned.name] = _resolved(planned, source)
    return list(found.values())


def _resolved(planned: "Planned", source: str) -> Definition:
    """With the queue and the options of its worker, where one is loaded."""
    entry = registry.find(planned.fields["class_name"])
    if entry is None:
        return planned.definition({"retry": True}, "default")
    args = planned.fields.get("args", [])
    if entry.signature is None or not entry.signature.fits(len(args)):
        fits = "nothing" if entry.signature is None else f"{entry.signature.where}{entry.signature.inspected}"
        raise ConfigError(f"{source}: schedule {planned.name!r}: args do not fit {fits}")
    return planned.definition(_other(entry.options), entry.options["queue"])


def _other(options: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if key != "queue"}


def warnings(definitions: Iterable[Definition], served: set[str]) -> list[str]:
    """What is to be said at start: of jobs whose class no loaded worker has, or whose queue nobody serves here."""
    unknown, unserved = [], defaultdict(list)
    for each in definitions:
        if registry.find(each.class_name) is None:
            unknown.append(each)
        elif each.queue not in served:
            unserved[each.queue].append(each.name)
    return [
        *(
            f"the recurring job {each.name!r} is for {each.class_name}, which no loaded module defines"
            for each in unknown
        ),
        *(
            f"the recurring job{'s' if len(names) > 1 else ''} {', '.join(map(repr, names[:5]))} "
            f"go{'' if len(names) > 1 else 'es'} to the queue {queue!r}, which this process does not serve (-q {queue})"
            for queue, names in sorted(unserved.items())
        ),
    ]
