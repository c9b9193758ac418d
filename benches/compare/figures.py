"""What the tables and plots are made of: for each workload its contenders, best first, with spreads and ratios."""

from collections.abc import Sequence
from dataclasses import dataclass

from contender import Contender
from lab.rounds import Record
from lab.summary import Spread, failures, ratio, spread

OURS, SIDEKIQ = "fastkiq", "sidekiq"


@dataclass(frozen=True)
class Question:
    """One figure of one workload: what it is called, its unit, and which way is better."""

    title: str
    workload: str
    fact: str
    unit: str
    more_is_better: bool = False


RATES = (
    Question("Draining no-op jobs", "drain", "value", "jobs/s", True),
    Question("Enqueueing one by one", "enqueue", "value", "jobs/s", True),
    Question("Enqueueing in bulk", "bulk", "value", "jobs/s", True),
    Question("Jobs of time.sleep(0.01), concurrency 25", "sleep", "value", "jobs/s", True),
    Question("Jobs of asyncio.sleep(0.05), 500 at once", "asleep", "value", "jobs/s", True),
    Question("One Redis GET and one JSON parse, concurrency 10", "middle", "value", "jobs/s", True),
)
WAKEUP = (
    Question("Wake-up of an idle worker, p50", "wakeup", "p50_ms", "ms"),
    Question("Wake-up of an idle worker, p99", "wakeup", "p99_ms", "ms"),
)
COST = (
    Question("Worker's CPU for 1,000 no-op jobs", "drain", "worker_cpu", "ms"),
    Question("Redis's CPU for 1,000 no-op jobs", "drain", "redis_cpu", "ms"),
    Question("Redis's reads for one no-op job", "drain", "round_trips", ""),
    Question("Peak memory while draining", "drain", "peak_mb", "MB"),
)
REST = (
    Question("Memory at rest", "rest", "memory_mb", "MB"),
    Question("CPU at rest", "rest", "cpu_percent", "%"),
    Question("Redis's reads a second at rest", "rest", "reads_per_second", ""),
)
KILL = (
    Question("Jobs not run within N s of kill -9", "kill", "lost", "jobs"),
    Question("Until the last interrupted job began again", "kill", "last_again_s", "s"),
)
PROBES = 200
"""Of fewer there is no 99th percentile: their greatest is shown, and compared with nobody's."""
SCALE = {"worker_cpu": 1000.0, "redis_cpu": 1000.0}  # seconds in the records, milliseconds in the document


@dataclass(frozen=True)
class Line:
    """A contender's answer to a question: its spread, and its ratio to fastkiq and to Sidekiq, by rounds."""

    contender: Contender
    spread: Spread
    of_ours: Spread | None
    of_sidekiq: Spread | None


def lines(records: list[Record], contenders: Sequence[Contender], question: Question) -> list[Line]:
    """Best first; contenders without an answer are not among them."""
    workload, fact = question.workload, question.fact
    if fact == "p99_ms":
        records = [record for record in records if record.get("jobs", 0) >= PROBES]
    found = []
    for contender in contenders:
        answer = spread(records, workload, contender.name, fact)
        if answer is not None:
            to = [ratio(records, workload, contender.name, other, fact) for other in (OURS, SIDEKIQ)]
            found.append(Line(contender, _scaled(answer, SCALE.get(fact, 1.0)), *to))
    return sorted(found, key=lambda line: line.spread.median, reverse=question.more_is_better)


def missing(records: list[Record], contenders: Sequence[Contender], workload: str) -> dict[str, str]:
    """Title -> why a contender has no answer in a workload."""
    answered = {record["contender"] for record in records if record["workload"] == workload and "value" in record}
    found = {}
    for contender in contenders:
        if contender.name in answered:
            continue
        reason = failures(records, "install", contender.name) or failures(records, workload, contender.name)
        if not reason and workload not in contender.workloads:
            reason = contender.unsupported.get(workload, "not what it does")
        if reason:
            found[contender.title] = reason
    return found


def losses(records: list[Record], contenders: Sequence[Contender]) -> list[tuple[Question, Line, Line | None]]:
    """Each question in which the median of somebody else is better than fastkiq's: question, the other, fastkiq.

    Where fastkiq has no answer, None beside the best that has one.
    """
    found: list[tuple[Question, Line, Line | None]] = []
    for question in (*RATES, *WAKEUP, *COST, *REST, *KILL):
        ranked = lines(records, contenders, question)
        ours = next((line for line in ranked if line.contender.name == OURS), None)
        for line in ranked:
            if ours is not None and line.spread.median == ours.spread.median:
                break
            if not line.contender.floor and not line.contender.name.startswith(OURS):
                found.append((question, line, ours))
                if ours is None:
                    break
    return found


def _scaled(spread: Spread, factor: float) -> Spread:
    return Spread(spread.median * factor, spread.least * factor, spread.most * factor, spread.rounds)
