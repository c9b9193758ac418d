"""The dashboard and the queues in a browser."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis as redis_py
from playwright.sync_api import Page, Route, expect

Web = Callable[..., str]
Check = Callable[[Page], None]
Shot = Callable[[Page, str], Path]
XSS = "\"'><script>window.xss=1</script><img src=x onerror=window.xss=1>"
CHART = "() => JSON.parse(document.getElementById('rates-data').textContent)"


@pytest.fixture
def filled(redis: redis_py.Redis) -> redis_py.Redis:
    """Some queues as they are, one of them hostile, and a history."""
    now = int(time.time() * 1000)
    with redis.pipeline() as pipeline:
        for name, count in (
            ("default", 40),
            ("mailers.low", 4),
            ("critical", 0),
            (XSS, 2),
            *((f"t{n}", n) for n in range(40)),
        ):
            pipeline.sadd("queues", name)
            for number in range(count):
                text = XSS if number % 3 == 0 else f"customer{number}@example.org"
                job = {
                    "class": "shop.Mail",
                    "jid": f"{number:024x}",
                    "args": [number, text],
                    "tags": ["vip", XSS][: number % 3],
                }
                pipeline.lpush(f"queue:{name}", json.dumps({**job, "enqueued_at": now - number * 1_000}))
        for back in range(400):
            day = datetime.now(UTC).date() - timedelta(back)
            pipeline.set(f"stat:processed:{day}", 5_000 + 37 * (back % 11))
            pipeline.set(f"stat:failed:{day}", 100 + back % 50)
        pipeline.sadd("paused", "mailers.low")
        pipeline.mset({"stat:processed": 1_234_567, "stat:failed": 4_321})
        pipeline.execute()
    return redis


@pytest.fixture
def page(page: Page) -> Page:
    """One that hardly refreshes itself."""
    page.add_init_script("localStorage.setItem('fastkiq.interval', '30')")
    return page


def refresh(page: Page) -> None:
    """Has the page refreshed now."""
    page.evaluate(
        "() => { window.updated = new Promise((done) =>"
        " document.addEventListener('fastkiq:updated', done, {once: true})) }"
    )
    page.locator("[data-live-toggle]").click()
    page.locator("[data-live-toggle]").click()
    page.evaluate("window.updated.then(() => null)")  # wait_for_function would need eval, which the pages forbid


WRITTEN = """
window.written = [];
const fill = CanvasRenderingContext2D.prototype.fillText;
CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) {
  window.written.push(text);
  fill.call(this, text, ...rest);
};
"""


def one_point(route: Route) -> None:
    """The page as it is some seconds after the first look."""
    answer = route.fetch()
    before, mark, rest = answer.text().partition('id="rates-data" data-live>')
    data, end, after = rest.partition("</script>")
    rates = json.loads(data)
    rates["x"] = rates["x"][-1:]
    for each in rates["series"]:
        each["values"] = [7]
    route.fulfill(response=answer, body=before + mark + json.dumps(rates) + end + after)


def test_the_axis_of_a_chart_with_one_point_is_the_minute_before(web: Web, page: Page) -> None:
    page.add_init_script(WRITTEN)
    url = web() + "/"
    page.route(url, one_point)
    page.goto(url)
    expect(page.locator(".chart-canvas canvas").first).to_be_visible()
    assert 2 in colons(page)  # times, with seconds


def test_the_axis_of_a_chart_with_one_bar_is_the_day(web: Web, page: Page) -> None:
    page.add_init_script(WRITTEN)
    page.goto(web() + "/?days=1")
    expect(page.locator(".chart-canvas canvas").nth(1)).to_be_visible()
    assert 1 in colons(page)  # times, without


def colons(page: Page) -> set[int]:
    """How many there are in each label of the charts, once they are drawn."""
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return {text.count(":") for text in page.evaluate("window.written")}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_are_accessible(web: Web, filled: redis_py.Redis, page: Page, axe: Check, shot: Shot, theme: str) -> None:
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    base = web()
    for path, name in (("/", "dashboard"), ("/queues", "queues"), ("/queues/default", "queue")):
        page.goto(base + path)
        expect(page.locator("h1")).to_be_visible()
        shot(page, f"{name}-{theme}")
        axe(page)
    assert page.evaluate("window.xss") is None


def test_the_live_chart_goes_on_by_what_was_done(web: Web, filled: redis_py.Redis, page: Page) -> None:
    page.goto(web() + "/")
    expect(page.locator("[data-chart='rates-data'] canvas")).to_be_visible()
    before = page.evaluate(CHART)
    filled.incrby("stat:processed", 1_000)
    filled.incrby("stat:failed", 100)
    refresh(page)
    after = page.evaluate(CHART)
    assert len(after["x"]) == len(before["x"]) + 1
    processed, failed = (series["values"][-1] for series in after["series"])
    assert processed == pytest.approx(1_000 / (after["now"]["at"] - before["now"]["at"]), rel=0.05)
    assert failed == pytest.approx(processed / 10, rel=0.05)
    expect(page.locator("#summary")).to_contain_text("1,235,567")
    refresh(page)
    last = page.evaluate(CHART)
    assert last["series"][0]["values"][1:] == [processed, 0]  # the empty minute at the beginning is going


def test_periods_of_the_history(web: Web, filled: redis_py.Redis, page: Page) -> None:
    page.goto(web() + "/")
    for label, what in (("1 week", "a day"), ("1 year", "a week"), ("5 years", "a month")):
        page.get_by_role("link", name=label).click()
        expect(page.locator("#history-note")).to_contain_text(what)
        expect(page.locator("[data-chart='history-data'] canvas")).to_be_visible()
    page.locator("figure[data-chart='history-data'] summary").click()
    expect(page.locator("#history-table tbody tr").last).to_contain_text(f"{datetime.now(UTC):%Y-%m-01}")


def test_queues_are_paused_resumed_and_cleared(web: Web, filled: redis_py.Redis, page: Page) -> None:
    page.goto(web() + "/queues?substr=t1")
    page.get_by_role("button", name="Pause the queue t1", exact=True).click()
    expect(page.locator("#flashes")).to_contain_text("The queue t1 is paused")
    assert filled.sismember("paused", "t1")
    page.get_by_role("button", name="Resume the queue t1", exact=True).click()
    expect(page.locator("#flashes")).to_contain_text("again")
    page.get_by_role("button", name="Clear the queue t12", exact=True).click()
    expect(page.locator("#confirm")).to_contain_text("Delete all jobs that wait in the queue t12?")
    page.get_by_role("button", name="Cancel").click()
    assert filled.llen("queue:t12") == 12
    page.get_by_role("button", name="Clear the queue t12", exact=True).click()
    page.locator("[data-confirm-yes]").click()
    expect(page.locator("#flashes")).to_contain_text("12 jobs of the queue t12 were deleted")
    assert filled.exists("queue:t12") == 0


def test_jobs_of_a_queue_are_filtered_selected_and_deleted(web: Web, filled: redis_py.Redis, page: Page) -> None:
    page.goto(web() + "/queues/default")
    page.get_by_label("Argument", exact=True).fill("customer1")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("#jobs tbody tr")).to_have_count(8)  # 1, 10, 11, 13, 14, 16, 17, 19
    boxes = page.locator("#jobs tbody input[type=checkbox]")
    boxes.nth(0).check()
    boxes.nth(2).check()
    refresh(page)
    expect(page.locator("[data-selected]")).to_have_text("2 selected")
    page.get_by_role("button", name="Delete selected").click()
    page.locator("[data-confirm-yes]").click()
    expect(page.locator("#flashes")).to_contain_text("2 jobs were deleted.")
    expect(page.locator("#jobs tbody tr")).to_have_count(6)
    page.locator("#jobs tbody tr").first.get_by_role("button").click()
    page.locator("[data-confirm-yes]").click()
    expect(page.locator("#flashes")).to_contain_text("1 job was deleted.")
    assert filled.llen("queue:default") == 37
    page.get_by_role("link", name="Show all").click()
    filled.lpush("queue:default", "twin", "twin")
    refresh(page)
    expect(page.get_by_text("twin", exact=True)).to_have_count(2)
    refresh(page)
    expect(page.get_by_text("twin", exact=True)).to_have_count(2)
    page.get_by_role("link", name="Next to run first").click()
    expect(page.locator("#jobs tbody tr").first).to_contain_text("0,")
    assert page.evaluate("window.xss") is None


def test_without_javascript(web: Web, filled: redis_py.Redis, open_page: Callable[..., Page]) -> None:
    page = open_page(java_script_enabled=False)
    base = web()
    page.goto(base + "/")
    page.locator("figure[data-chart='history-data'] summary").click()
    expect(page.locator("#history-table tbody tr")).to_have_count(30)
    page.goto(base + "/queues/default")
    page.locator("#jobs tbody input[type=checkbox]").first.check()
    page.get_by_role("button", name="Delete selected").click()
    expect(page.locator("main")).to_contain_text("Delete 1 job for good?")
    page.get_by_role("button", name="Yes, go on").click()
    expect(page.locator("#flashes")).to_contain_text("1 job was deleted.")
    assert filled.llen("queue:default") == 39
