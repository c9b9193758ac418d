"""Every goal that was set, in the order in which it was set."""

import tomllib

from lab import BENCHES, RESULTS
from lab.rounds import Record, Results
from lab.summary import Spread, by_round, spread

from goals.verdict import Goal, absolute, compared, difference

RATES = "{:,.0f} to {:,.0f} jobs/s"
MILLISECONDS = "{:.2f} to {:.2f} ms"
LONG = ("deep", "growth")
"""Families that run only when they are asked for: minutes, and gigabytes of Redis."""


def mb(value: float) -> str:
    return f"{value:.1f} MB"


def ms(value: float) -> str:
    return f"{value:.1f} ms"


def goals() -> list[Goal]:
    """All lines of the table."""
    return [*_drains(), *_pushes(), *_latencies(), *_waits(), *_costs(), *_scales(), *_rest_of_it()]


def _drains() -> list[Goal]:
    found = []
    for threads in (10, 25):
        ours = f"fastkiq c={threads}"
        work = f"drain 1,000,000 no-op jobs, reliable fetch, concurrency {threads}"
        found += [
            compared("drain", work, "0.8 of the one-thread floor, stretch 1.0", "drain", ours, "floor", least=0.8,
                     stretch=1.0, beside=RATES),
            compared("drain", work, "12 x Sidekiq with YJIT, stretch 16 x", "drain", ours, f"Sidekiq c={threads}",
                     least=12, stretch=16, beside=RATES),
        ]  # fmt: skip
    return [
        *found,
        compared("drain", "at default log levels, concurrency 25", "no slower than at WARN (from 0.95 on: noise)",
                 "drain", "fastkiq c=25, default log", "fastkiq c=25", least=0.95, beside=RATES),
        compared("drain", "basic fetch, concurrency 10", "2 x Sidekiq", "drain", "fastkiq basic c=10",
                 "Sidekiq c=10", least=2, beside=RATES),
        compared("delay", "drain through the delaying proxy, 1 ms", "within 20 % of the proxy at 0 ms", "delay", "1 ms",
                 "0 ms", least=0.8, beside=RATES),
        compared("delay", "drain through the delaying proxy, 5 ms", "within 20 % of the proxy at 0 ms", "delay", "5 ms",
                 "0 ms", least=0.8, beside=RATES),
    ]  # fmt: skip


def _pushes() -> list[Goal]:
    return [
        compared("push", "`perform_bulk`", "5 x Sidekiq's `push_bulk`", "bulk", "fastkiq", "Sidekiq", least=5,
                 beside=RATES),
        compared("push", "`perform_bulk`", "stretch: 0.5 of 1,000 prepared payloads an `LPUSH`", "bulk", "fastkiq",
                 "prepared payloads", least=0.5, beside=RATES),
        compared("push", "`perform_async` in a loop", "0.8 of redis-benchmark's `LPUSH` on one connection", "push",
                 "fastkiq", "redis-benchmark", least=0.8, beside=RATES),
        compared("push", "`perform_async` from 8 threads", "1.5 x one thread", "push", "fastkiq, 8 threads", "fastkiq",
                 least=1.5, beside=RATES),
    ]  # fmt: skip


def _latencies() -> list[Goal]:
    found = []
    for queues, name in ((1, "one queue"), (12, "twelve queues")):
        for fact, label in (("value", "p50"), ("p99", "p99")):
            found.append(
                compared("wakeup", f"wake-up of an idle worker, {name}, {label}", "at most half of Sidekiq's",
                         f"wakeup {queues}", "fastkiq", "Sidekiq", fact=fact, most=0.5, beside=MILLISECONDS)
            )  # fmt: skip
    return found


def _waits() -> list[Goal]:
    sleeps = "2,000 jobs of `time.sleep(0.01)`, concurrency 25"
    return [
        compared("waiting", sleeps, "no slower than Sidekiq", "sleep", "fastkiq", "Sidekiq", least=1.0, beside=RATES),
        compared("waiting", sleeps, "(beside bare threads without a queue)", "sleep", "fastkiq", "bare threads",
                 beside=RATES),
        compared("waiting", "5,000 jobs of `asyncio.sleep(0.05)`, cap 500", "within 15 % of bare asyncio", "asleep",
                 "fastkiq", "bare asyncio", least=0.85, beside=RATES),
    ]  # fmt: skip


def _costs() -> list[Goal]:
    cpu = "{:.2f} to {:.2f} CPU us a job"
    return [
        compared("drain", "CPU of the worker, no-op jobs", "1/10 of Sidekiq's", "drain", "fastkiq c=10", "Sidekiq c=10",
                 fact="worker_cpu", most=0.1, beside=cpu, scale=1000),
        compared("drain", "CPU of Redis, no-op jobs", "1/4 of one `BRPOP` a job", "drain", "fastkiq c=10",
                 "BRPOP a job", fact="redis_cpu", most=0.25, beside=cpu, scale=1000),
        compared("rest", "at rest, concurrency 25: RSS", "1.5 x a bare interpreter with asyncio and logging", "rest",
                 "fastkiq", "bare interpreter", most=1.5, beside="{:.1f} to {:.1f} MB"),
        absolute("rest", "at rest, concurrency 25: RSS", "under 35 MB", "rest", "fastkiq", mb, most=35),
        absolute("rest", "at rest: Redis round trips", "3 a second", "rest", "fastkiq", "{:.2f} a second".format,
                 fact="round_trips", most=3),
        absolute("rest", "at rest: CPU", "not measurable (up to 0.1 % of a core)", "rest", "fastkiq",
                 "{:.3f} % of a core".format, fact="cpu_percent", most=0.1),
        absolute("drain", "peak RSS while draining 1,000,000 jobs", "25 MB above rest", "drain", "fastkiq c=25", mb,
                 figure=difference("drain", "fastkiq c=25", "peak", "rest", 1e-6), most=25),
        absolute("growth", "RSS after 10,000,000 jobs in one process, less that after the first 1,000,000",
                 "no growth (up to 1 MB)", "growth", "fastkiq", mb, most=1, beside=_sizes),
    ]  # fmt: skip


def _scales() -> list[Goal]:
    cost = "{:.2f} to {:.2f} CPU us a job"
    found = []
    for family, work, workload, contender, other in (
        ("deep", "cost per job, 5,000,000 beside 10,000 in the queue", "deep", "5,000,000", "10,000"),
        ("deep", "cost per job, 5,000,000 beside 500,000 in the queue", "deep", "5,000,000", "500,000"),
        ("depth", "cost per job, 100 queues beside one", "depth", "100 queues", "one queue"),
        ("depth", "cost per job, 1,000,000 scheduled beside none", "depth", "a million scheduled", "one queue"),
    ):
        found += [
            compared(family, f"{work}: CPU", "the same within 10 %", workload, contender, other, most=1.1, beside=cost),
            compared(family, f"{work}: time", "the same within 10 %", workload, contender, other, fact="elapsed",
                     most=1.1, beside="{:.2f} to {:.2f} us a job"),
        ]  # fmt: skip
    return found


def _rest_of_it() -> list[Goal]:
    return [
        absolute("lateness", "lateness of 10,000 jobs due within one second, 1,000,000 others scheduled",
                 "p99 of 100 ms beyond the jobs' own time", "lateness", "fastkiq", ms, most=100, beside=_lateness),
        absolute("fairness", "100 jobs of 1 s and 10,000 of 1 ms, four processes: longest time that a job was claimed "
                 "and not begun while another process had a free thread", "50 ms", "fairness", "fastkiq", ms, most=50,
                 beside=_fairness),
        compared("middle", "one Redis GET and one JSON parse, concurrency 10", "(beside Sidekiq)", "middle", "fastkiq",
                 "Sidekiq", beside=RATES),
        Goal("middle", "the same, beside every other Python system (benchmarks.md)", "3 x",
             (("middle", "fastkiq"),), _beside_peers, "{:.2f} x the fastest of them".format, least=3),
    ]  # fmt: skip


def _sizes(records: list[Record]) -> str:
    sizes: list[float] = next((record["sizes"] for record in records if "sizes" in record), [])
    return "; after each million: " + ", ".join(f"{each:.1f}" for each in sizes)


def _lateness(records: list[Record]) -> str:
    return _facts(records, "lateness", (("p50", "p50 {:.1f} ms"), ("most", "greatest {:.1f} ms")))


def _fairness(records: list[Record]) -> str:
    counts = (("over_50", "{:.0f} jobs over 50 ms"), ("by_claim", "longest of one claim {:.1f} ms"))
    whole = (("longest_wait", "longest wait, whoever was free, {:.1f} ms"), ("look", "a look each {:.1f} ms or sooner"))
    return _facts(records, "fairness", (*counts, *whole))


def _facts(records: list[Record], workload: str, parts: tuple[tuple[str, str], ...]) -> str:
    found = [(form, spread(records, workload, "fastkiq", fact)) for fact, form in parts]
    return "".join("; " + form.format(each.median) for form, each in found if each)


def _beside_peers(_: list[Record]) -> Spread | None:
    """Of fastkiq to the fastest other Python system of each round, from the records of benches/compare."""
    records = Results(RESULTS / "compare.jsonl").read()
    ours = by_round(records, "middle", "fastkiq")
    best: dict[int, float] = {}
    for path in (BENCHES / "compare" / "contenders").glob("*/contender.toml"):
        if not path.parent.name.startswith(("fastkiq", "floor")) and tomllib.loads(path.read_text())[
            "language"
        ].startswith("Python"):
            for number, value in by_round(records, "middle", path.parent.name).items():
                best[number] = max(best.get(number, 0.0), value)
    return Spread.of(ours[number] / best[number] for number in ours if best.get(number))
