"""The listings, the groups, the page of a job and the search, in a browser."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import redis as redis_py
from playwright.sync_api import Page, expect

from fastkiq.web.pages import sweeps
from web_jobs import NASTY, add, enqueue, failed, fill, payload

Web = Callable[..., str]
Check = Callable[[Page], None]
Shot = Callable[[Page, str], Path]
JID = "a" * 24
XSS = NASTY.replace("alert(", "(window.xss=")


def several(redis: redis_py.Redis, path: str = "/retries", number: int = 3) -> list[str]:
    """Some jobs, soonest first, whose keys these are."""
    return [add(redis, path, failed(f"{at:024x}", tags=["nightly"]), 2e9 + at) for at in range(number)]


def fresh(page: Page) -> None:
    """Has the page refreshed now: live is turned off and on again."""
    with page.expect_response(lambda response: "x-fastkiq-live" in response.request.headers):
        page.locator("[data-live-toggle]").click()
        page.locator("[data-live-toggle]").click()


def say_yes(page: Page) -> None:
    page.locator("#confirm").get_by_role("button", name="Delete").click()


@pytest.mark.parametrize(("width", "theme"), [(375, "dark"), (1440, "light")])
def test_every_page_is_accessible_and_hostile_texts_run_nowhere(
    web: Web, redis: redis_py.Redis, open_page: Callable[..., Page], axe: Check, shot: Shot, width: int, theme: str
) -> None:
    everything = {"class": XSS, "queue": XSS, "args": [XSS, {XSS: XSS}], "tags": [XSS]}
    nasty = failed(XSS, **everything, error_class=XSS, error_message=XSS, error_backtrace=[XSS, f"/a.py:1:in {XSS}"])
    long = failed("b" * 24, args=["x" * 3_000], error_message="y" * 3_000, queue="q" * 200, **{"class": "C" * 200})
    for job in (nasty, long):
        add(redis, "/retries", job)
        add(redis, "/scheduled", job)
    page = open_page(width, color_scheme=theme)
    base = web()
    page.goto(base + "/retries")
    links = page.locator("a.job").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    assert len(links) == 2
    names = {"retries": "/retries", "scheduled": "/scheduled?substr=nothing&tag=x", "groups": "/retries/groups"}
    names |= {"job": links[0], "other-job": links[1], "search": f"/search?q={'b' * 24}", "gone": f"/retries/1.5-{JID}"}
    for name, path in names.items():
        page.goto(base + path)
        assert page.evaluate("window.xss") is None
        axe(page)
        shot(page, f"jobs-{name}-{theme}")


def test_the_ticked_ones_are_retried_and_a_refresh_keeps_the_ticks(web: Web, redis: redis_py.Redis, page: Page) -> None:
    keys = several(redis)
    page.goto(web() + "/retries")
    retry = page.get_by_role("button", name="Retry now")
    expect(retry).to_be_disabled()
    page.locator(f'input[value="{keys[0]}"]').check()
    page.locator(f'input[value="{keys[2]}"]').check()
    add(redis, "/retries", failed("f" * 24), 1.9e9)
    fresh(page)
    expect(page.locator("tbody tr")).to_have_count(4)
    expect(page.locator("[data-selected]")).to_have_text("2 selected")
    retry.click()
    expect(page.locator("#flashes")).to_contain_text("2 jobs are in their queues now.")
    expect(page.locator("tbody tr")).to_have_count(2)
    assert redis.llen("queue:mail") == 2


def test_delete_asks_in_a_dialog(web: Web, redis: redis_py.Redis, page: Page, axe: Check) -> None:
    several(redis, "/morgue")
    page.goto(web() + "/morgue")
    page.locator("tbody input").first.check()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.locator("#confirm")).to_contain_text("They cannot be brought back")
    axe(page)
    page.locator("#confirm").get_by_role("button", name="Cancel").click()
    assert redis.zcard("dead") == 3
    page.get_by_role("button", name="Delete", exact=True).click()
    say_yes(page)
    expect(page.locator("#flashes")).to_contain_text("1 job was deleted.")
    assert redis.zcard("dead") == 2


def test_all_that_match_are_counted_asked_about_and_done_slice_by_slice(
    web: Web, redis: redis_py.Redis, page: Page, axe: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeps, "SLICE", 0.0)
    with redis.pipeline(transaction=False) as pipeline:
        for at in range(4_000):
            pipeline.zadd("retry", {json.dumps(failed(f"{at:024x}", tags=["a" if at % 2 else "b"])): 2e9 + at})
        pipeline.execute()
    page.goto(web() + "/retries")
    page.get_by_text("By class, queue").click()
    page.get_by_label("Tag", exact=True).fill("a")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator(".pager")).to_contain_text("25 found among the first")
    page.get_by_role("button", name="Kill all").click()
    expect(page.get_by_role("heading", name="Are you sure?")).to_be_visible()
    axe(page)
    page.route("**/follow.js", lambda route: route.fulfill(body="", content_type="text/javascript"))
    page.get_by_role("button", name="Yes, go on").click()
    expect(page.get_by_role("heading", name="Under way")).to_be_visible()
    axe(page)
    page.unroute_all()
    page.get_by_role("button", name="Go on", exact=True).click()
    expect(page.locator("#flashes")).to_contain_text("2,000 jobs are dead now.")
    assert redis.zcard("retry") == redis.zcard("dead") == 2_000


@pytest.mark.parametrize(
    ("path", "label", "key"),
    [
        ("/retries", "Retry now", "queue:mail"),
        ("/retries", "Kill", "dead"),
        ("/scheduled", "Add to queue", "queue:mail"),
    ],
)
def test_actions_of_the_job_page(
    web: Web, redis: redis_py.Redis, open_page: Callable[..., Page], path: str, label: str, key: str
) -> None:
    page = open_page()
    page.goto(f"{web()}{path}/{add(redis, path, failed())}")
    page.get_by_role("button", name=label, exact=True).click()
    expect(page.locator("#flashes")).to_contain_text("1 job is")
    assert redis.exists(key)


def test_run_again_with_edited_arguments(web: Web, redis: redis_py.Redis, page: Page, axe: Check) -> None:
    page.goto(f"{web()}/morgue/{add(redis, '/morgue', failed())}")
    box = page.get_by_label("Arguments, a list in JSON")
    box.fill("[1, 2")
    page.get_by_role("button", name="Enqueue as a new job").click()
    expect(page.locator("#again-error")).to_contain_text("This is not JSON")
    expect(box).to_have_value("[1, 2")
    axe(page)
    box.fill('["bob"]')
    page.get_by_role("button", name="Enqueue as a new job").dblclick()
    expect(page.locator("#flashes")).to_contain_text("Enqueued once more")
    page.locator(".notice.ok a").click()
    expect(page.locator("#results")).to_contain_text('"bob"')
    assert [json.loads(raw)["args"] for raw in redis.lrange("queue:mail", 0, -1)] == [["bob"]]


def test_rescheduling_and_copying(web: Web, redis: redis_py.Redis, open_page: Callable[..., Page]) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    key = add(redis, "/scheduled", payload())
    page.goto(f"{web()}/scheduled/{key}")
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == JID
    page.get_by_label("Unit").select_option("days")
    page.get_by_role("button", name="Reschedule").click()
    expect(page.locator("tbody .when")).to_contain_text("in 9 days")


def test_a_job_that_goes_while_it_is_looked_at(
    web: Web, redis: redis_py.Redis, open_page: Callable[..., Page], problems: list[str]
) -> None:
    page = open_page()
    page.goto(f"{web()}/retries/{add(redis, '/retries', failed())}")
    redis.delete("retry")
    fresh(page)
    expect(page.locator("#live-note")).to_contain_text("no longer here")
    page.get_by_role("button", name="Retry now").click()
    expect(page.get_by_role("link", name="Search for it everywhere")).to_be_visible()
    assert all(problem.startswith("404") for problem in problems)
    problems.clear()


def test_groups_count_on_by_themselves(web: Web, redis: redis_py.Redis, page: Page) -> None:
    fill(redis, "/morgue", 20_000)
    page.goto(web() + "/morgue/groups")
    expect(page.locator(".counted")).to_contain_text("All 20,000 counted")
    expect(page.locator(".group-count")).to_have_text("20,000")
    page.get_by_role("link", name="TimeoutError").click()
    expect(page.locator("tbody tr")).to_have_count(25)


def test_a_filter_looks_on_until_it_finds_something(web: Web, redis: redis_py.Redis, page: Page) -> None:
    fill(redis, "/retries", 30_000)
    add(redis, "/retries", failed(tags=["needle"]), 3e9)
    page.goto(web() + "/retries?tag=needle")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator(".pager")).to_contain_text("1 found among the")


def test_a_search_goes_on_by_itself(web: Web, redis: redis_py.Redis, page: Page) -> None:
    fill(redis, "/retries", 40_000)
    add(redis, "/retries", failed(), 1e9)
    enqueue(redis, payload())
    page.goto(web() + "/")
    page.keyboard.press("/")
    page.keyboard.type(JID)
    page.keyboard.press("Enter")
    expect(page.locator("#progress")).to_contain_text("that is everywhere")
    expect(page.locator("#results tbody tr")).to_have_count(2)
    page.locator("#results a.job").first.click()
    expect(page.locator("#jid")).to_have_text(JID)


def test_without_a_script(
    web: Web, redis: redis_py.Redis, open_page: Callable[..., Page], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeps, "SLICE", 0.0)
    fill(redis, "/retries", 1_200)
    page = open_page(java_script_enabled=False)
    page.goto(web() + "/retries?count=3")
    page.locator("tbody input").first.check()
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Yes, go on").click()
    expect(page.locator("#flashes")).to_contain_text("1 job was deleted.")
    page.get_by_role("link", name="Next page").click()
    expect(page.locator(".pager")).to_contain_text("4 to 6 of 1,199")
    page.get_by_role("button", name="Kill all").click()
    expect(page.locator(".error-text")).to_contain_text("Kill all 1,199 jobs?")
    page.get_by_role("button", name="Yes, go on").click()
    expect(page.get_by_role("heading", name="Under way")).to_be_visible()
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("#flashes")).to_contain_text("1,199 jobs are dead now.")
    assert (redis.zcard("retry"), redis.zcard("dead")) == (0, 1_199)
