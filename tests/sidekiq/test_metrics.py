"""Executions and deploys in Sidekiq's own metrics: its queries and pages add up what Ruby and Python have run."""

import time
from collections.abc import Callable

import redis as redis_py

import fastkiq
from children import Child
from fastkiq import deploy
from servers import wait_until
from sidekiq.judge import APP, Ruby, ledger

Start = Callable[..., Child]

METRICS = (
    APP
    + """
import asyncio

class Pause(fastkiq.Worker, name="Pause"):
    async def perform(self, seconds):
        await asyncio.sleep(seconds)
        await asyncio.to_thread(note, "ledger", "python", self.jid, seconds)

class Dotted(Echo, name="app.jobs.Dotted"):
    pass
"""
)


def both_run(ruby: Ruby, worker_process: Start, redis: redis_py.Redis, redis_url: str) -> None:
    """Python runs 6 Echo, 2 Boom, a Pause and a Dotted, then Ruby 5 Echo, 3 Boom and a Pause, in the same minute."""
    client = fastkiq.Client(redis_url)

    def push(echo: int, boom: int) -> None:
        client.push_bulk("Echo", [(number,) for number in range(echo)])
        client.push_bulk("Boom", [(number,) for number in range(boom)])
        client.push("Pause", 0.24)

    # What both write has to fit into a minute.
    wait_until(lambda: redis.time()[0] % 60 < 40, 25, "a minute that is not over at once")
    push(6, 2)
    client.push("app.jobs.Dotted")
    child = worker_process(METRICS)
    wait_until(lambda: (len(ledger(redis)), redis.zcard("retry")) == (8, 2), 15, "Python to run its own")
    assert child.stop() == 0
    push(5, 3)
    served = ruby.serve()
    wait_until(lambda: (len(ledger(redis)), redis.zcard("retry")) == (14, 5), 15, "Ruby to run its own")
    assert served.stop() == 0


def test_both_sides_add_up(ruby: Ruby, worker_process: Start, redis: redis_py.Redis, redis_url: str) -> None:
    both_run(ruby, worker_process, redis, redis_url)
    names = ["Echo", "Boom", "Pause", "app.jobs.Dotted"]
    shown = ruby("metrics", classes=names)
    counts = {name: (totals["p"], totals.get("f", 0)) for name, totals in shown["top"].items()}
    assert counts == {"Echo": (11, 0), "Boom": (5, 5), "Pause": (2, 0), "app.jobs.Dotted": (1, 0)}
    jobs = shown["jobs"]
    assert {name: (jobs[name]["totals"]["p"], jobs[name]["totals"].get("f", 0)) for name in names} == counts
    assert {name: sum(jobs[name]["buckets"]) for name in names} == {
        name: processed - failed for name, (processed, failed) in counts.items()
    }
    assert 480 <= jobs["Pause"]["totals"]["ms"] < 480 + 4_000
    assert 240 <= jobs["Pause"]["average"] < 2_240
    assert sum(jobs["Pause"]["buckets"][:7]) == 0, "nothing below 225 ms"
    assert "ms" not in jobs["Boom"]["totals"], "no time is kept of failures"
    assert [len(jobs[name]["series"]) for name in ("Echo", "Boom", "Pause")] == [1, 1, 1], "the same minute"

    hours = ruby("metrics", classes=names, hours=1)
    assert {name: (totals["p"], totals.get("f", 0)) for name, totals in hours["top"].items()} == counts
    assert hours["top"]["Pause"]["ms"] == jobs["Pause"]["totals"]["ms"]
    # By Ruby's own count of its share, `stat:*` and their history hold the same.
    stats = ruby("stats")
    runs, failures = (sum(each) for each in zip(*counts.values(), strict=True))
    assert (stats["processed"], stats["failed"]) == (runs, failures)
    assert (sum(stats["processed_by_day"].values()), sum(stats["failed_by_day"].values())) == (runs, failures)


def test_the_pages_show_it(ruby: Ruby, worker_process: Start, redis: redis_py.Redis, redis_url: str) -> None:
    """Python alone, with marks and a name from outside; the page of a class nobody has run answers too."""
    client = fastkiq.Client(redis_url)
    client.push_bulk("Echo", [()] * 3)
    client.push("app.jobs.Dotted")
    client.push("Boom")
    redis.lpush("queue:default", '{"class":"Echo","args":[],"wrapped":"Evil<script>alert(1)","retry":false,"jid":"a"}')
    child = worker_process(METRICS)
    wait_until(lambda: (len(ledger(redis)), redis.zcard("retry")) == (5, 1), 15, "all to be run")
    assert child.stop() == 0
    assert deploy.mark("<b>v1</b> é", client=client)
    paths = ["/metrics", "/metrics?period=8h", "/metrics?period=72h", "/metrics?substr=Dotted"]
    paths += [f"/metrics/{name}" for name in ("Echo", "Boom", "app.jobs.Dotted", "Unheard")]
    answers = dict(zip(paths, ruby("web", requests=[["GET", path] for path in paths]), strict=True))
    assert {path: status for path, (status, _) in answers.items() if status not in (200, 302)} == {}
    assert [path for path, (status, _) in answers.items() if status == 302] in ([], ["/metrics/Unheard"])
    for path in paths[:3]:
        for name in ("Echo", "Boom", "app.jobs.Dotted"):
            assert f"metrics/{name}" in answers[path][1], (path, name)
    assert "metrics/Echo" not in answers["/metrics?substr=Dotted"][1]
    assert "<script>alert" not in "".join(body for _, body in answers.values())
    assert all("‹b›v1‹/b› é" in answers[path][1] for path in ("/metrics", "/metrics/Echo")), "the mark"


def test_totals_and_history_of_deaths_and_stops(
    ruby: Ruby, worker_process: Start, redis: redis_py.Redis, redis_url: str
) -> None:
    """A job that dies at once, and one that the stop ends: both sides count either as run and failed."""
    app = (
        METRICS
        + """
import time
class Stuck(fastkiq.Worker, name="Stuck"):
    def perform(self):
        note("stuck", "python")
        while True:
            time.sleep(0.01)
"""
    )
    client = fastkiq.Client(redis_url)
    client.push("Stuck")
    # Ruby's idle threads wait 2 s in a `BRPOP`: one that is ended in it loses the job that the stop has just put back.
    for side, start in enumerate((lambda: worker_process(app, "-t", "0.2"), lambda: ruby.serve("-t", "4")), 1):
        client.push("LastBoom", retry=0)
        client.push("Echo")
        running = start()
        for key in ("stuck", "ledger"):
            wait_until(lambda: redis.llen(key) == side, 15, key)  # noqa: B023
        wait_until(lambda: redis.zcard("dead") == side, 15, "a death")  # noqa: B023
        assert running.stop() == 0
        assert redis.llen("queue:default") == 1, "the stuck one is back"
    stats = ruby("stats")
    assert (stats["processed"], stats["failed"], stats["dead"]) == (6, 4, 2)
    assert (sum(stats["processed_by_day"].values()), sum(stats["failed_by_day"].values())) == (6, 4)
    top = ruby("metrics")["top"]
    assert {name: (totals["p"], totals.get("f", 0)) for name, totals in top.items()} == {
        "Echo": (2, 0),
        "LastBoom": (2, 2),
        "Stuck": (2, 2),
    }


def test_marks_of_both_sides(ruby: Ruby, redis: redis_py.Redis, redis_url: str) -> None:
    """A minute has room for one, and the same label makes no second one on either side."""
    client = fastkiq.Client(redis_url)
    now = redis.time()[0]
    assert deploy.mark("python é", now - 300, client=client)
    marks = ruby("metrics", mark="ruby ü")["marks"]
    assert sorted(label for _, label, _ in marks) == ["python é", "ruby ü"]
    times = {label: at for at, label, _ in marks}
    assert times["python é"] == (now - 300) // 60 * 60
    assert now // 60 * 60 <= times["ruby ü"] <= time.time()
    assert not deploy.mark("ruby ü", client=client)
    assert not deploy.mark("another", times["ruby ü"], client=client), "Ruby's stays"
    assert ruby("metrics", mark="python é")["marks"] == marks


def test_nothing_is_written_for_classes_nobody_knows(
    ruby: Ruby, worker_process: Start, redis: redis_py.Redis, redis_url: str
) -> None:
    """Nor does Ruby count such: it fails before its metrics come in."""
    client = fastkiq.Client(redis_url)
    client.push("nobody.Knows")
    child = worker_process(METRICS)
    wait_until(lambda: redis.zcard("retry") == 1, 15, "it to wait")
    assert child.stop() == 0
    client.push("nobody.Knows")
    served = ruby.serve()
    wait_until(lambda: redis.zcard("retry") == 2, 15, "it to wait there too")
    assert served.stop() == 0
    assert ruby("metrics")["top"] == {}
