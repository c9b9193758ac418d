"""What every page has: layout, themes, live refresh, dialogs, keys, times, charts; with and without a script."""

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from web_probe import Deeds

Web = Callable[..., str]
Check = Callable[[Page], None]
Shot = Callable[[Page, str], Path]
XSS = "\"'><script>window.xss=1</script><img src=x onerror=window.xss=1><svg onload=window.xss=1>"


def fresh(page: Page) -> None:
    """Has the page refreshed now: live is turned off and on again."""
    before = page.locator("#counter").inner_text()
    page.locator("[data-live-toggle]").click()
    page.locator("[data-live-toggle]").click()
    expect(page.locator("#counter")).not_to_have_text(before)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/", "/probe", "/nowhere"])
def test_a_page_is_accessible_in_both_themes_at_both_widths(
    web: Web, deeds: Deeds, page: Page, axe: Check, shot: Shot, theme: str, path: str
) -> None:
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    page.goto(web() + path)
    name = re.sub(r"\W+", "-", path).strip("-") or "dashboard"
    shot(page, f"foundation-{name}-{theme}")
    axe(page)


def test_dialogs_are_accessible(web: Web, deeds: Deeds, page: Page, axe: Check) -> None:
    page.goto(web() + "/probe")
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    axe(page)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#confirm")).to_be_visible()
    axe(page)


def test_hostile_texts_run_nowhere(web: Web, deeds: Deeds, page: Page, axe: Check) -> None:
    page.goto(web() + f"/probe?text={quote(XSS)}")
    expect(page.locator("#echo")).to_have_text(XSS)
    fresh(page)
    expect(page.locator("#echo")).to_have_text(XSS)
    assert page.evaluate("window.xss") is None
    axe(page)


def test_a_refresh_keeps_what_the_user_has_done(web: Web, deeds: Deeds, page: Page) -> None:
    page.goto(web() + "/probe")
    page.locator('input[value="row-2"]').check()
    page.locator('tr[data-key="row-2"] summary').click()
    page.locator('input[name="class"]').fill("Half a na")
    deeds.rows = ["row-0", "row-3", "row-2"]
    fresh(page)
    expect(page.locator("#rows tr")).to_have_count(3)
    assert page.locator("#rows tr").evaluate_all("rows => rows.map(row => row.dataset.key)") == deeds.rows
    expect(page.locator('input[value="row-2"]')).to_be_checked()
    expect(page.locator('input[value="row-0"]')).not_to_be_checked()
    expect(page.locator('tr[data-key="row-2"] details')).to_have_attribute("open", "")
    expect(page.locator('input[name="class"]')).to_have_value("Half a na")
    expect(page.locator("[data-selected]")).to_have_text("1 selected")
    expect(page.locator("time").first).not_to_contain_text("UTC")


def test_a_refresh_keeps_focus_and_a_text_that_is_being_selected(
    web: Web, deeds: Deeds, open_page: Callable[..., Page]
) -> None:
    page = open_page()
    page.goto(web() + "/probe")
    page.evaluate("localStorage.setItem('fastkiq.interval', '2')")
    page.reload()
    page.locator('input[value="row-1"]').focus()
    page.evaluate("getSelection().selectAllChildren(document.querySelector('#echo'))")
    before = page.locator("#counter").inner_text()
    expect(page.locator("#counter")).not_to_have_text(before)
    assert page.evaluate("document.activeElement.value") == "row-1"
    assert page.evaluate("getSelection().toString().trim()") == "plain"


def test_live_stops_when_told_and_in_a_hidden_tab(web: Web, deeds: Deeds, open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.clock.install()
    page.goto(web() + "/probe")
    page.locator("[data-live-toggle]").click()
    expect(page.locator("[data-live-label]")).to_have_text("Paused")
    page.reload()
    expect(page.locator("[data-live-label]")).to_have_text("Paused")
    seen = deeds.counter
    page.clock.run_for(60_000)
    page.evaluate("fetch('/').then((answer) => answer.text())")  # what was asked before it has come
    assert deeds.counter == seen
    page.keyboard.press("l")
    expect(page.locator("[data-live-label]")).to_have_text("Live")
    expect(page.locator("#counter")).not_to_have_text(str(seen))
    page.evaluate(
        "Object.defineProperty(document, 'hidden', {get: () => true, configurable: true});"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    seen = deeds.counter
    page.clock.run_for(60_000)
    page.evaluate("fetch('/').then((answer) => answer.text())")
    assert deeds.counter == seen


def test_a_lost_connection_is_said_and_so_is_its_return(
    web: Web, deeds: Deeds, page: Page, problems: list[str]
) -> None:
    page.goto(web() + "/probe")
    page.route("**/probe", lambda route: route.abort())
    page.locator("[data-live-toggle]").click()
    page.locator("[data-live-toggle]").click()
    expect(page.locator("#live-note")).to_have_text("Connection lost. Trying again…")
    page.unroute("**/probe")
    fresh(page)
    expect(page.locator("#live-note")).to_have_text("Connected again.")
    assert [each for each in problems if "ERR_FAILED" not in each] == []
    problems.clear()


def test_a_dangerous_button_asks_first(web: Web, deeds: Deeds, page: Page) -> None:
    page.goto(web() + "/probe")
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#confirm-text")).to_have_text("Clear the queue?")
    expect(page.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#confirm")).not_to_be_visible()
    assert deeds.done == []
    page.get_by_role("button", name="Clear").click()
    page.locator("[data-confirm-yes]").click()
    expect(page.locator("#flashes")).to_have_text("Cleared")
    assert deeds.done == [{"action": "clear", "queue": "default"}]


def test_ticked_rows_are_acted_on(web: Web, deeds: Deeds, page: Page) -> None:
    page.goto(web() + "/probe")
    delete = page.get_by_role("button", name="Delete", exact=True)
    expect(delete).to_be_disabled()
    page.locator('input[value="row-1"]').check()
    page.locator('input[value="row-3"]').check()
    delete.click()
    page.locator("[data-confirm-yes]").click()
    expect(page.locator("#flashes")).to_have_text("Changed what was ticked")
    assert deeds.done == [{"action": "delete", "keys": ["row-1", "row-3"], "class": ""}]


def test_the_box_in_the_head_ticks_all(web: Web, deeds: Deeds, open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.goto(web() + "/probe")
    page.get_by_label("Select all on this page").check()
    expect(page.locator("[data-selected]")).to_have_text("3 selected")
    page.locator('input[value="row-1"]').uncheck()
    assert page.locator("[data-select-all]").evaluate("box => box.indeterminate")


def test_without_a_script_pages_are_read_and_forms_posted(
    web: Web, deeds: Deeds, open_page: Callable[..., Page], shot: Shot
) -> None:
    page = open_page(java_script_enabled=False)
    page.goto(web() + "/probe")
    expect(page.locator("time").first).to_have_text("2026-09-21 14:13:20 UTC")
    expect(page.locator("[data-live-toggle]")).to_be_hidden()
    page.locator('input[value="row-1"]').check()
    page.get_by_role("button", name="Retry").click()
    expect(page.locator("#flashes")).to_have_text("Changed what was ticked")
    page.get_by_role("button", name="Clear").click()
    expect(page.get_by_role("heading", name="Are you sure?")).to_be_visible()
    shot(page, "foundation-confirm")
    page.get_by_role("button", name="Yes, go on").click()
    expect(page.locator("#flashes")).to_have_text("Cleared")
    assert [deed["action"] for deed in deeds.done] == ["retry", "clear"]
    page.select_option('select[name="theme"]', "dark")
    page.select_option('select[name="language"]', "fr")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.locator("html")).to_have_attribute("lang", "fr")
    assert page.url.endswith("/probe")


def test_theme_and_language_are_chosen_in_the_footer(web: Web, deeds: Deeds, page: Page, axe: Check) -> None:
    page.goto(web() + "/probe?text=a%20%26%20b")
    page.select_option('select[name="theme"]', "dark")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.select_option('select[name="language"]', "de")
    expect(page.locator("html")).to_have_attribute("lang", "de")
    expect(page.locator(".tabs")).to_contain_text("Warteschlangen")
    expect(page.locator("#echo")).to_have_text("a & b")
    axe(page)


def test_keys(web: Web, deeds: Deeds, page: Page) -> None:
    base = web()
    page.goto(base + "/probe")
    page.keyboard.press("/")
    expect(page.locator("#search")).to_be_focused()
    page.keyboard.type("g?")
    expect(page.locator("#search")).to_have_value("g?")
    page.locator("#search").blur()
    page.keyboard.press("g")
    page.keyboard.press("d")
    page.wait_for_url(base + "/")
    page.keyboard.press("?")
    page.get_by_label("Shortcuts of single keys").uncheck()
    page.keyboard.press("Escape")
    page.reload()
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_hidden()


def test_by_keyboard_alone_the_content_is_one_step_away(web: Web, deeds: Deeds, page: Page) -> None:
    page.goto(web() + "/probe")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()


def test_times_are_in_the_viewers_zone(web: Web, deeds: Deeds, open_page: Callable[..., Page]) -> None:
    page = open_page(timezone_id="Asia/Tokyo", locale="en-GB")
    page.goto(web() + "/probe")
    assert "21 September 2026" in (page.locator("time").first.get_attribute("title") or "")
    page.locator(".chart-table summary").click()
    expect(page.locator("#load-table time").first).to_have_text(re.compile(r"21 Sept? 2026, 23:13:20"))


def test_a_chart_is_drawn_and_says_its_values(web: Web, deeds: Deeds, page: Page, axe: Check) -> None:
    page.goto(web() + "/probe")
    canvas = page.locator(".chart-canvas canvas")
    expect(canvas).to_be_visible()
    page.locator(".chart-canvas .u-over").hover()
    expect(page.locator(".chart-tip")).to_contain_text("Processed: 5")
    painted = (
        "canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(each => each)"
    )
    assert canvas.evaluate(painted)
    page.locator(".chart-table summary").click()
    axe(page)
    before = canvas.evaluate("canvas => canvas.clientWidth")
    page.set_viewport_size({"width": 700, "height": 900})
    expect(canvas).not_to_have_js_property("clientWidth", before)
