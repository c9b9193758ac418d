"""Home: what happens now, what happened, and what Redis says of itself."""

import time
from collections import deque
from dataclasses import dataclass
from typing import Any

from textual.content import Content

from fastkiq.api import Day, QueueState, Redis, Server, Stats, Summary, queues
from fastkiq.printable import printable
from fastkiq.tui.chart import columns, spark
from fastkiq.tui.forms import figure, size, span
from fastkiq.tui.table import cut, fitted
from fastkiq.tui.view import View

_MOST_LOOKS = 500
_DAYS = 90


@dataclass(frozen=True, slots=True)
class HomeLook:
    """What the first screen shows beside the summary."""

    def read(self, redis: Redis) -> tuple[list[Day], Server, list[QueueState], list[str]]:
        """The last days, Redis itself, and the queues."""
        stats, notes = Stats(redis), list[str]()
        return stats.history(_DAYS), stats.server(), queues(redis, notes=notes), notes


class HomeView(View):
    """The live chart: processed and failed between two looks."""

    TAB = "Home"

    def __init__(self) -> None:
        super().__init__()
        self._looks: deque[tuple[int, int]] = deque(maxlen=_MOST_LOOKS)
        self._last: tuple[float, Summary] | None = None
        self._rate = 0.0
        self._found: tuple[list[Day], Server, list[QueueState]] | None = None

    def request(self) -> HomeLook:
        """All of it."""
        return HomeLook()

    def accept(self, value: Any) -> None:
        """All of it."""
        *found, self.notes = value
        self._found = tuple(found)

    def count(self, summary: Summary) -> None:
        """Notes what was done since the last look, on whatever screen that was. After a reset it begins anew."""
        now = time.monotonic()
        if self._last is not None:
            at, before = self._last
            processed = max(0, summary.processed - before.processed)
            self._looks.append((processed, max(0, summary.failed - before.failed)))
            self._rate = processed / max(0.1, now - at)
        self._last = (now, summary)

    def lines(self, width: int, height: int) -> list[Content]:
        """The charts above, facts below."""
        facts = self._facts(width, max(2, min(20, (height - 4) // 3)))
        room = max(3, height - len(facts) - 3)
        tall = max(2, room * 2 // 3)
        processed = [each[0] for each in self._looks]
        failed = [each[1] for each in self._looks]
        top, worst = max(processed[-width:], default=0), max(failed[-width:], default=0)
        rate = f"{self._rate:,.{1 if self._rate < 100 else 0}f} a second"
        lines = [_title("Processed", f"{rate}; a column each 2 s, the highest {top:,}", width)]
        lines += [Content.styled(each, "ansi_green") for each in columns(processed, width, tall)]
        lines.append(
            _title("Failed", f"{failed[-1] if failed else 0:,} at the last look; the highest {worst:,}", width)
        )
        lines += [Content.styled(each, "ansi_red") for each in columns(failed, width, max(1, room - tall))]
        lines.append(Content.styled("─" * width, "dim"))
        return [*lines, *facts]

    def _facts(self, width: int, most_queues: int) -> list[Content]:
        if self._found is None:
            return [Content.styled("…", "dim")]
        days, server, several = self._found
        room = max(10, min(_DAYS, width - 40))
        past = days[:room][::-1]
        lines = [
            Content.assemble(
                ("Today      ", "bold"), f"{figure(past[-1].processed)} processed, {figure(past[-1].failed)} failed"
            ),
            Content.assemble(
                (f"{f'{len(past)} days':<11}", "bold"),
                f"{figure(sum(day.processed for day in past))} processed  ",
                spark([day.processed for day in past], room),
            ),
        ]
        full = f" of {size(server.most_memory)}" if server.most_memory else ""
        lines.append(
            Content.assemble(
                ("Redis      ", "bold"),
                cut(
                    f"{printable(server.name, 40)} {printable(server.version, 40)}, {size(server.memory)}{full} "
                    f"(peak {size(server.peak_memory)}), {server.clients:,} clients, up {server.uptime_days:,} d",
                    width - 11,
                ),
            )
        )
        fullest = sorted(several, key=lambda queue: (-queue.size, queue.name))[:most_queues]
        for at, queue in enumerate(fullest):
            state = "paused" if queue.is_paused else f"waits {span(queue.latency)}" if queue.size else "empty"
            name = fitted(printable(queue.name, 100), min(30, max(12, width - 50)))
            lines.append(
                Content.assemble(
                    ("Queues     " if not at else " " * 11, "bold"), name, f" {figure(queue.size):>11}  {state}"
                )
            )
        return lines


def _title(name: str, value: str, width: int) -> Content:
    return Content.assemble((name, "bold"), (cut(f"  {value}", max(0, width - len(name))), "dim"))
