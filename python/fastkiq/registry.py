"""Who answers to which name in a payload.

Payloads name their worker; the name is looked up here, among the workers that loaded modules have defined, and
nowhere else: nothing is ever imported because Redis names it.
"""

import sys
from functools import lru_cache
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from fastkiq.errors import DefinitionError
from fastkiq.guard import Guard
from fastkiq.options import is_wire_name, name_suggestion

if TYPE_CHECKING:
    from fastkiq.bound import Bound
    from fastkiq.cron.definition import Definition
    from fastkiq.signature import Signature
    from fastkiq.worker import Worker


class Entry:
    """What is known of one worker class.

    `options` are in payload form, defaults and inherited ones included; `own_options` only those said at the class.
    `signature` is None when the class is abstract: it has no `perform`. `origin` tells where it was defined.
    `recurring` is the job that its own keywords make of it.
    """

    __slots__ = (
        "ack_start",
        "aliases",
        "bound",
        "is_async",
        "may_keep",
        "name",
        "options",
        "origin",
        "own_options",
        "plain",
        "recurring",
        "signature",
        "worker",
    )

    bound: "Bound[...]"

    def __init__(
        self,
        worker: "type[Worker]",
        name: str,
        aliases: tuple[str, ...],
        origin: str,
        options: dict[str, Any],
        own_options: dict[str, Any],
        signature: "Signature | None",
        *,
        ack_start: bool,
    ) -> None:
        self.worker = worker
        self.name = name
        self.aliases = aliases
        self.origin = origin
        self.options = options
        self.own_options = own_options
        self.signature = signature
        self.is_async = signature is not None and signature.is_async
        self.ack_start = ack_start
        self.may_keep = "result_ttl" in options
        """Whether there may be results of its jobs; with `result_ttl=0` a call has to ask for one."""
        self.plain = not self.may_keep and (signature is None or not signature.may_convert)
        """Whether a run is nothing but `perform` of what the payload holds, as it is."""
        self.recurring: Definition | None = None

    def __repr__(self) -> str:
        return f"<Entry {self.name}>"


_COMPARED: Final = 50
"""Most worker names that an unknown one is compared with: that takes up to 5 ms."""
_guard = Guard()
_by_name: dict[str, Entry] = {}  # wire names and aliases


def wire_module(module: str) -> str:
    """The module's part of a wire name: `__main__` gives the name under which others can load the same file."""
    if module != "__main__":
        return module
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if spec is not None:  # python -m package.module
        return str(spec.name)
    file = getattr(main, "__file__", None)
    return PurePath(file).stem if file else module


def register(entry: Entry) -> None:
    """Makes the worker known; one defined anew (a reload) takes its predecessor's place. Raises DefinitionError.

    What a function defines (`make.<locals>.Job`) only takes names that it claims, since each call may name another one.
    """
    for name in (entry.name, *entry.aliases):
        if not is_wire_name(name):
            raise DefinitionError(
                f"{entry.origin}: {name!r} cannot be a wire name: letters, digits and _ . : < > - only"
            )
    with _guard.lock:
        for name in (entry.name, *entry.aliases):
            holder = _by_name.get(name)
            if holder is not None and holder.origin != entry.origin:
                raise DefinitionError(
                    f"{entry.origin} and {holder.origin} both go by the wire name {name!r}: give one of them name=..."
                )
        if "<" not in entry.origin:
            for name in [name for name, holder in _by_name.items() if holder.origin == entry.origin]:
                del _by_name[name]
        for name in (entry.name, *entry.aliases):
            _by_name[name] = entry


def find(name: str) -> Entry | None:
    """The worker with this wire name or alias."""
    return _by_name.get(name)


def entries() -> list[Entry]:
    """Every worker once, in the order of their definition."""
    with _guard.lock:
        return list(dict.fromkeys(_by_name.values()))


def alike(name: str) -> list[str]:
    """Wire names of workers whose class has the last word of `name`: of `Mails::Welcome` those called `Welcome`."""
    last = name.replace("::", ".").rpartition(".")[2]
    return sorted({entry.name for entry in entries() if entry.worker.__name__ == last})


def unknown(name: str) -> str:
    """What to do about a payload whose class no worker goes by."""
    match alike(name):
        case []:
            near = _near(name, tuple(entry.name for entry in entries()))
            return (
                f"no loaded module defines {name}{near}: {_where(name)}; "
                f'give the class that is to run it name="{name}" or aliases=("{name}",); or, when it is another '
                "program's, do not serve its queue"
            )
        case [one]:
            return f'no worker goes by {name}: if {one} is to run it, give that class name="{name}"'
        case several:
            listed = ", ".join(several[:5])
            return f'several workers may be meant by {name} ({listed}): give one of them name="{name}"'


@lru_cache(256)  # a queue may be full of jobs of one such name
def _near(name: str, known: tuple[str, ...]) -> str:
    return name_suggestion(name, list(known)) if len(known) <= _COMPARED else ""


def _where(name: str) -> str:
    """What to name for `fastkiq process`, as far as the wire name tells."""
    module = name.rpartition(".")[0]
    if module in sys.modules:
        return f"{module} is loaded but does not define it"
    if module and all(part.isidentifier() for part in module.split(".")):
        return f"run `fastkiq process {module}`, or name the file or folder that defines it"
    return "name the module, file or folder that does in `fastkiq process ...`"


def table() -> dict[str, tuple[Entry, bool]]:
    """Name in a payload -> (worker, whether it runs on the event loop), for the server.

    A lone class name (`HardWorker`) is added when exactly one worker has it and nobody claims it outright.
    """
    with _guard.lock:
        known = dict(_by_name)
    lone: dict[str, set[Entry]] = {}
    for entry in known.values():
        lone.setdefault(entry.worker.__name__, set()).add(entry)
    for name, holders in lone.items():
        if len(holders) == 1 and is_wire_name(name):
            known.setdefault(name, next(iter(holders)))
    return {name: (entry, entry.is_async) for name, entry in known.items()}


def snapshot() -> dict[str, Entry]:
    """The names as they are now; for tests, with `restore`."""
    with _guard.lock:
        return dict(_by_name)


def restore(names: dict[str, Entry]) -> None:
    """Back to a `snapshot`."""
    with _guard.lock:
        _by_name.clear()
        _by_name.update(names)
