"""What a span of work cost Redis, from its INFO."""

from dataclasses import dataclass
from typing import Any

from fastkiq import _core
from fastkiq.errors import RedisError


@dataclass(frozen=True, slots=True)
class Reading:
    """Totals since the server started."""

    cpu_seconds: float
    commands: int
    """With those that scripts ran."""
    round_trips: int
    memory_bytes: int

    def since(self, before: "Reading", own: int) -> "Reading":
        """The difference, without `own` commands of the measurement itself, one a round trip."""
        return Reading(
            self.cpu_seconds - before.cpu_seconds,
            self.commands - before.commands - own,
            self.round_trips - before.round_trips - own,
            self.memory_bytes - before.memory_bytes,
        )


def read(core: _core.Client) -> Reading | None:
    """None when the server does not tell: a proxy in between, or no permission for INFO."""
    try:
        facts = info(core, "all")
        return Reading(
            float(facts["used_cpu_sys"]) + float(facts["used_cpu_user"]),
            sum(_calls(value) for name, value in facts.items() if name.startswith("cmdstat_")),
            # A large request takes several reads and a large reply several writes, hardly ever both in one trip.
            min(int(facts["total_reads_processed"]), int(facts["total_writes_processed"])),
            int(facts["used_memory"]),
        )
    except (RedisError, KeyError, ValueError):
        return None


def info(core: _core.Client, section: str) -> dict[str, str]:
    """One section of INFO. Raises RedisError."""
    answer: Any = core.command("INFO", section)
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else str(answer)
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


def _calls(fields: str) -> int:
    """`calls=3,usec=10,...`"""
    return int(fields.partition("calls=")[2].partition(",")[0])
