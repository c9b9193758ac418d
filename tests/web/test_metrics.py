"""The pages of metrics: all classes, and one of them."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import quote

import pytest
import redis as redis_py

from beating import deployed, ran
from fastkiq.web.latency import percentile
from fastkiq.web.locale import locales
from fastkiq.web.view import viewing
from web_server import Answer, ask

Web = Callable[..., str]
XSS = "\"'><script>window.xss=1</script><img src=x onerror=window.xss=1>"
HOSTILE = [
    XSS,
    "App::Hard/Job",
    "/leading",
    "trailing/",
    "a|b|p",
    "größe.→",
    "a b?c=d&e#f",
    "%2F",
    "..",
    ".",
    "x" * 900,
]


def minutes(ago: int) -> datetime:
    return datetime.now(UTC) - timedelta(minutes=ago)


def rows(answer: Answer) -> dict[str, list[str]]:
    """Class -> the texts of its cells."""
    found = {}
    for name, row in re.findall(r'<tr data-key="([^"]+)">(.+?)</tr>', answer.text, re.DOTALL):
        found[name] = re.findall(r'<td class="num[^"]*"[^>]*>([^<]*)</td>', row)
    return found


def chart(answer: Answer, name: str) -> dict[str, Any]:
    (text,) = re.findall(rf'<script type="application/json" id="{name}-data" data-live>(.+?)</script>', answer.text)
    return dict(json.loads(text))


def test_classes_by_the_time_they_took(web: Web, redis: redis_py.Redis) -> None:
    ran(redis, "shop.Mail", minutes(5), runs=200, failed=20, ms=18_000)
    ran(redis, "shop.Mail", minutes(3), runs=100, ms=9_000)
    ran(redis, "shop.Import", minutes(3), runs=4, failed=2, ms=60_000)
    for number in range(5):
        ran(redis, f"other{number}", minutes(9), runs=2, ms=4)
    deployed(redis, minutes(4), "v2 <b>")
    page = ask(web() + "/metrics")
    found = rows(page)
    assert list(found)[:2] == ["shop.Import", "shop.Mail"]
    assert found["shop.Mail"] == ["300", "20", "6.7 %", "27.0 s", "96 ms"]
    assert found["shop.Import"] == ["4", "2", "50.0 %", "1 min", "30.0 s"]
    (foot,) = re.findall(r"<tfoot>(.+?)</tfoot>", page.text, re.DOTALL)
    assert re.findall(r'<td class="num[^"]*"[^>]*>([^<]*)</td>', foot)[:2] == ["314", "22"]
    drawn = chart(page, "top-time")
    assert [each["label"] for each in drawn["series"]][:2] == ["shop.Import", "shop.Mail"]
    assert drawn["series"][-1]["label"] == "All others"
    assert sum(drawn["series"][1]["values"]) == 27
    assert len({(each["color"], tuple(each["dash"])) for each in drawn["series"]}) == 6
    assert [each["label"] for each in drawn["marks"]] == ["v2 <b>"]
    assert "v2 &lt;b&gt;" in page.text


@pytest.mark.parametrize("period", ["1h", "2h", "4h", "8h", "24h", "48h", "72h"])
def test_every_period(web: Web, redis: redis_py.Redis, period: str) -> None:
    hours = int(period[:-1])
    ran(redis, "A", minutes(hours * 60 - 11), runs=7, ms=70)
    ran(redis, "A", minutes(1), runs=5, ms=50)
    ran(redis, "A", minutes(hours * 60 + 30), runs=100)
    page = ask(f"{web()}/metrics?period={period}")
    assert rows(page)["A"][0] == "12"
    drawn = chart(page, "top-time")
    assert len(drawn["x"]) <= 144
    assert sum(drawn["series"][0]["values"]) == pytest.approx(0.12)
    assert f'href="/metrics/A?period={period}"' in page.text
    assert ask(f"{web()}/metrics/A?period={period}").status == 200, "of more than 8 h its longest"


def test_a_part_of_the_name(web: Web, redis: redis_py.Redis) -> None:
    ran(redis, "shop.Mail", minutes(1), runs=1, ms=1)
    ran(redis, "shop.Import", minutes(1), runs=1, ms=1)
    base = web()
    assert list(rows(ask(f"{base}/metrics?substr=Mai"))) == ["shop.Mail"]
    assert "No such class has run in the last 8 hours" in ask(f"{base}/metrics?substr=zz&period=8h").text


def test_nothing_has_run(web: Web) -> None:
    base = web()
    assert "Nothing has run in the last hour" in ask(base + "/metrics").text
    assert "with their heartbeat" in ask(base + "/metrics").text
    assert "has not run in this time" in ask(base + "/metrics/shop.Mail").text
    assert ask(base + "/metrics/").headers["location"] == "/metrics"


@pytest.mark.parametrize("path", ["/metrics?period=3h", "/metrics/A?period=x", "/metrics?substr=" + "x" * 201])
def test_a_query_that_is_none(web: Web, path: str) -> None:
    assert ask(web() + path).status == 400


def test_more_classes_than_are_listed(web: Web, redis: redis_py.Redis) -> None:
    for number in range(120):
        ran(redis, f"C{number:03}", minutes(1), runs=1, ms=number)
    page = ask(web() + "/metrics")
    assert len(rows(page)) == 100
    assert "100 of 120 classes are listed" in page.text


def test_one_class(web: Web, redis: redis_py.Redis) -> None:
    ran(redis, "A", minutes(5), runs=100, failed=2, ms=20_000, b0=50, b3=47, b9=1)
    ran(redis, "A", minutes(2), runs=10, ms=100, b25=1)
    deployed(redis, minutes(4), XSS)
    page = ask(web() + "/metrics/A")
    totals = re.findall(r"<dd>([^<]+)</dd>", page.text.split('id="class-totals"')[1].split("</dl>")[0])
    assert totals[:5] == ["110", "2", "1.8 %", "20.1 s", "186 ms"]
    assert totals[5:] == ["below 20 ms", "below 65 ms", "335 s or more"]
    assert sum(chart(page, "runs")["series"][0]["values"]) == 110
    assert sum(each or 0 for each in chart(page, "averages")["series"][0]["values"]) == pytest.approx(
        204.1 + 10, abs=0.1
    )
    cells = re.findall(r'<rect class="heat-(\d)" x="(\d+)" y="(\d+)" width="10" height="18"><title>([^<]+)', page.text)
    assert [(level, text.split(", ")[1]) for level, _, _, text in cells] == [
        ("1", "500 ms to 750 ms: 1"),
        ("5", "45 ms to 65 ms: 47"),
        ("5", "below 20 ms: 50"),
        ("1", "335 s or more: 1"),
    ]
    assert page.text.count('class="heat-mark"') == 1
    assert "<script>window" not in page.text
    table = page.text.split('id="heat-table"')[1].split("</table>")[0]
    assert re.findall(r'<td class="num">(\d+)</td>', table) == ["50", "47", "1", "1"]
    shares = re.findall(
        r'<th scope="row">([^<]+)</th><td class="num">([\d,]+)</td>', page.text.split('id="buckets"')[1]
    )
    assert shares[0] == ("below 20 ms", "50")
    assert shares[-1] == ("335 s or more", "1")


def test_full_counters_are_said(web: Web, redis: redis_py.Redis) -> None:
    ran(redis, "A", minutes(1), runs=70_000, ms=1, b0=65_535)
    assert "Some counters are full" in ask(web() + "/metrics/A").text


@pytest.mark.parametrize("name", HOSTILE)
def test_any_name_has_its_page(web: Web, redis: redis_py.Redis, name: str) -> None:
    ran(redis, name, minutes(1), runs=3, ms=30, b1=3)
    base = web()
    listed = ask(base + "/metrics")
    assert "<script>window" not in listed.text
    (links,) = [re.findall(r'<a class="job" href="([^"]+)"', listed.text)]
    if name in (".", ".."):
        assert links == [], "browsers take such a path apart"
        return
    assert links == [f"/metrics/{quote(name, safe='')}?period=1h"]
    page = ask(base + links[0])
    assert page.status == 200
    assert 'id="class-totals"' in page.text
    assert "<script>window" not in page.text


def test_what_is_no_count_does_no_harm(web: Web, redis: redis_py.Redis) -> None:
    now = datetime.now(UTC)
    key = f"j|{now:%y%m%d}|{now.hour}:{now:%M}"
    redis.hset(key, mapping={"A|p": "x", "A|f": "-5", "A|ms": "9" * 30, "B|p": 1, "B|f": 7, "junk": 1, "|p": 3})
    redis.set(f"h|B-{now.day}-{now.hour}:{now.minute}", b"\xff" * 500)
    redis.set(f"{now:%Y%m%d}-marks", "no hash")
    base = web()
    for path in ("/metrics", "/metrics/A", "/metrics/B"):
        assert ask(base + path).status in (200, 503)
    redis.delete(f"{now:%Y%m%d}-marks")
    for path in ("/metrics", "/metrics/A", "/metrics/B"):
        assert ask(base + path).status == 200
    assert rows(ask(base + "/metrics"))["B"][2] == "100.0 %"


@pytest.mark.parametrize(
    ("counts", "percent", "said"),
    [
        ({}, 50, None),
        ({0: 1}, 99, "below 20 ms"),
        ({0: 50, 8: 50}, 50, "below 20 ms"),
        ({0: 50, 8: 51}, 50, "below 500 ms"),
        ({0: 99, 25: 1}, 99, "below 20 ms"),
        ({0: 98, 25: 2}, 99, "335 s or more"),
        ({11: 1}, 95, "below 1.7 s"),
        ({14: 1}, 95, "below 5.75 s"),
    ],
)
def test_percentiles_are_bounds_of_buckets(counts: dict[int, int], percent: int, said: str | None) -> None:
    locale = SimpleNamespace(locale=locales()["en"])
    with viewing(cast(Any, locale)):
        assert percentile([counts.get(bucket, 0) for bucket in range(26)], percent) == said
