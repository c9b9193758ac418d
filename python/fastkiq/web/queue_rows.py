"""Queues as the pages show them."""

from collections.abc import Sequence
from dataclasses import dataclass

from fastkiq.api import QueueState
from fastkiq.printable import printable
from fastkiq.web.i18n import gettext as _
from fastkiq.web.sampler import Sample, sizes
from fastkiq.web.view import current


@dataclass(frozen=True, slots=True)
class Row:
    """One queue."""

    state: QueueState
    name: str
    """As it is shown."""
    url: str
    """Of its page; empty when no path can name it."""
    spark: list[float]
    """Its sizes of the last minutes; empty when too little is known."""
    spark_label: str
    memory: int | None = None
    """Bytes, about."""

    @property
    def question(self) -> str:
        """Asked before it is cleared."""
        return _("Delete all jobs that wait in the queue %(name)s?", name=self.name)


def rows(states: Sequence[QueueState], samples: list[Sample], memory: Sequence[int | None] = ()) -> list[Row]:
    """In the same order."""
    return [_row(state, samples, memory[at] if at < len(memory) else None) for at, state in enumerate(states)]


def _row(state: QueueState, samples: list[Sample], memory: int | None) -> Row:
    view = current()
    url = view.url("/queues", state.name) if "/" not in state.name and state.name not in ("", ".", "..") else ""
    spark = sizes(samples, state.name)
    label = ""
    if spark:
        number = view.locale.number
        label = _(
            "Jobs in the queue: at least %(least)s, at most %(most)s, now %(now)s",
            least=number(round(min(spark))),
            most=number(round(max(spark))),
            now=number(state.size),
        )
    return Row(state, printable(state.name, 200), url, spark, label, memory)
