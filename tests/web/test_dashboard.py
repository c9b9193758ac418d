"""The dashboard: what it says, what it costs Redis, and `/stats`."""

import itertools
import json
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
import redis as redis_py

from fastkiq.api import Day
from fastkiq.web.history import spans
from fastkiq.web.sampler import KEPT, Sample, Sampler, rates, sizes
from servers import Server
from web_server import ask

Web = Callable[..., str]
XSS = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


def queue(redis: redis_py.Redis, name: str, *jobs: object) -> None:
    redis.sadd("queues", name)
    for job in jobs:
        redis.lpush(f"queue:{name}", job if isinstance(job, str) else json.dumps(job))


def data(page: str, chart: str) -> Any:
    found = re.search(rf'id="{chart}-data" data-live>(.*?)</script>', page)
    assert found is not None
    return json.loads(found[1])


def test_it_shows_queues_history_and_redis(web: Web, redis: redis_py.Redis) -> None:
    queue(redis, "mail", {"class": "A", "enqueued_at": int(time.time() * 1000) - 90_000})
    queue(redis, "empty")
    redis.sadd("paused", "mail")
    today = datetime.now(UTC).date()
    redis.mset({f"stat:processed:{today}": 7, f"stat:failed:{today}": 2, f"stat:processed:{today - timedelta(3)}": 5})
    page = ask(web() + "/").text
    assert re.search(r'data-key="mail".*?Paused.*?1</p>.*?waits 1 min 3\d s', page, re.DOTALL)
    assert 'data-key="empty"' in page
    history = data(page, "history")
    assert len(history["x"]) == 30
    assert [series["values"][-1] for series in history["series"]] == [7, 2]
    assert history["series"][0]["values"][-4] == 5
    assert str(redis.info()["redis_version"]) in page or "Valkey" in page


@pytest.mark.parametrize(("days", "bars"), [(1, 1), (7, 7), (90, 90), (180, (26, 27)), (365, (53, 54)), (1825, (61,))])
def test_long_times_are_summed_and_nothing_is_lost(
    web: Web, redis: redis_py.Redis, days: int, bars: int | tuple[int, ...]
) -> None:
    today = datetime.now(UTC).date()
    redis.mset({f"stat:processed:{today - timedelta(back)}": 1 for back in range(2_000)})
    history = data(ask(web() + f"/?days={days}").text, "history")
    assert len(history["x"]) in (bars if isinstance(bars, tuple) else (bars,))
    assert history["x"] == sorted(history["x"])
    assert sum(history["series"][0]["values"]) == days


@pytest.mark.parametrize("days", ["0", "1826", "-1", "x", "1e3", "٣", "9" * 30])
def test_days_that_cannot_be(web: Web, days: str) -> None:
    answer = ask(web() + f"/?days={days}" if days.isascii() else web() + "/?days=%D9%A3")
    assert answer.status == 400
    assert "days must be a whole number from 1 to 1,825" in answer.text


def test_weeks_begin_on_mondays_and_months_on_their_first() -> None:
    last = datetime(2026, 11, 27, tzinfo=UTC).date()
    weeks = spans([Day(last - timedelta(back), 1, 0) for back in range(180)])
    assert weeks[-1].label == "2026-11-23 – 2026-11-27"
    assert all(week.first.weekday() == 0 for week in weeks[1:])
    months = spans([Day(last - timedelta(back), 1, 0) for back in range(1_825)])
    assert months[-2].label == "2026-10-01 – 2026-10-31"
    assert months[-2].processed == 31
    assert spans([Day(last, 1, 0)])[0].label == "2026-11-27"


def test_head_is_a_sign_of_life(web: Web, start_server: Callable[..., Server]) -> None:
    server = start_server()
    base = web(redis_url=server.url)
    answer = ask(base + "/", method="HEAD")
    assert (answer.status, answer.body) == (200, b"")
    server.stop()
    assert ask(base + "/", method="HEAD").status == 503


def test_hostile_names_are_only_text(web: Web, redis: redis_py.Redis) -> None:
    queue(redis, XSS, "no job")
    redis.set("queue:wrong" + XSS, "no list")
    redis.sadd("queues", "wrong" + XSS)
    redis.mset({"stat:processed": XSS, "stat:failed": "-5"})
    for path in ("/", "/queues", "/queues/" + "%3Cscript%3E"):
        page = ask(web() + path).text
        assert XSS not in page
        assert "<img" not in page
        assert "<script>alert" not in page
    assert "is no list: it is left out" in ask(web() + "/").text


def test_the_fullest_queues_are_shown_and_the_rest_is_counted(web: Web, redis: redis_py.Redis) -> None:
    with redis.pipeline() as pipeline:
        for number in range(100):
            pipeline.sadd("queues", f"q{number}")
            pipeline.lpush(f"queue:q{number}", *["{}"] * (number + 1))
        pipeline.execute()
    page = ask(web() + "/").text
    assert page.count('class="queue-tile') == 30
    assert 'data-key="q99"' in page
    assert 'data-key="q69"' not in page
    assert re.search(r"and 70 more</a>: 2,485 jobs", page)


def test_a_refresh_costs_redis_less_than_thirty_commands(web: Web, server: Server, redis: redis_py.Redis) -> None:
    with redis.pipeline(transaction=False) as pipeline:
        for number in range(1_000):
            pipeline.sadd("queues", f"queue-{number}")
            pipeline.lpush(f"queue:queue-{number}", '{"class":"A","enqueued_at":1795000000000}')
        for number in range(500):
            pipeline.sadd("processes", f"host:{number}:abc")
            pipeline.hset(f"host:{number}:abc", mapping={"info": "{}", "busy": 5, "beat": time.time(), "rss": 1})
        pipeline.execute()
    base = web()
    for path in ("/?days=1825", "/stats", "/queues"):
        ask(base + path)  # scripts are loaded
    for path, most in (("/?days=1825", 29), ("/stats", 29), ("/queues", 29 + 100)):
        sent = commands(server, lambda path=path: ask(base + path))  # type: ignore[misc]
        assert 5 < len(sent) <= most, sent
    assert '<a href="/busy">2,500</a>' in ask(base + "/").text


def commands(server: Server, do: Callable[[], Any]) -> list[str]:
    """What clients sent to Redis meanwhile, the commands of scripts not among them."""
    found: list[str] = []
    with server.client() as watching, server.client() as marking, watching.monitor() as monitor:
        marking.echo("begin")
        do()
        marking.echo("end")
        for line in monitor.listen():
            if line["client_type"] != "lua" and not line["command"].startswith(("ECHO", "CLIENT", "SELECT")):
                found.append(line["command"][:60])
            if line["command"] == "ECHO end":
                return found
    raise AssertionError("the monitor ended")


def test_the_live_chart_begins_with_what_was_seen(web: Web, redis: redis_py.Redis) -> None:
    redis.set("stat:processed", 41)
    chart = data(ask(web() + "/").text, "rates")
    assert chart["now"]["values"] == [41, 0]
    assert abs(chart["now"]["at"] - time.time()) < 10
    assert chart["series"][0]["values"] == [None, None]


def test_samples_are_few_and_gaps_begin_anew() -> None:
    sampler = Sampler()
    for second in range(1_000):
        sampler.add(Sample(1e9 + second, second * 10, second, {"q": second}))
    samples = sampler.samples()
    assert len(samples) == KEPT
    assert {round(after.at - before.at) for before, after in itertools.pairwise(samples)} <= {4, 5}
    assert all(abs(rate.processed - 10) < 1e-6 and abs(rate.failed - 1) < 1e-6 for rate in rates(samples))
    line = sizes(samples, "q")
    assert line[0] == samples[0].sizes["q"]
    assert line[-1] == samples[-1].sizes["q"]
    assert line == sorted(line)
    assert set(sizes(samples, "unheard of")) == {0.0}
    sampler.add(Sample(1e9 + 1_200, 1, 0, {}))
    assert len(sampler.samples()) == 1
    sampler.add(Sample(1e9 + 100, 1, 0, {}))
    assert [sample.at for sample in sampler.samples()] == [1e9 + 100]
    assert sizes(sampler.samples(), "q") == []


def test_totals_that_were_set_to_zero_are_no_negative_rates() -> None:
    assert rates([Sample(0.0, 100, 5, {}), Sample(5.0, 0, 0, {})])[0][1:] == (0.0, 0.0)


def test_stats_are_json(web: Web, redis: redis_py.Redis) -> None:
    queue(redis, "default", {"class": "A", "enqueued_at": int(time.time() * 1000) - 5_000})
    queue(redis, XSS, *"abc")
    base = web()
    answer = ask(base + "/stats")
    assert answer.headers["content-type"] == "application/json"
    told = json.loads(answer.text)
    assert told["sidekiq"]["enqueued"] == 4
    assert 4 < told["sidekiq"]["default_latency"] < 60
    assert re.fullmatch(r"\d\d:\d\d:\d\d UTC", told["server_utc_time"])
    assert list(json.loads(ask(base + "/stats/queues").text).items()) == [(XSS, 3), ("default", 1)]
    moved = ask(base + "/dashboard/stats")
    assert (moved.status, moved.headers["location"]) == (302, "/stats")


def test_stats_without_redis_are_an_error_in_json(web: Web, start_server: Callable[..., Server]) -> None:
    server = start_server()
    base = web(redis_url=server.url)
    server.stop()
    answer = ask(base + "/stats")
    assert answer.status == 503
    assert "Is Redis running" in json.loads(unescape(answer.text))["error"]


def test_many_at_once_are_all_answered(web: Web, redis: redis_py.Redis) -> None:
    for number in range(300):
        queue(redis, f"q{number}", "{}")
    base = web()
    with ThreadPoolExecutor(50) as threads:
        answers = list(threads.map(lambda _: ask(base + "/").status, range(100)))
    assert answers == [200] * 100
