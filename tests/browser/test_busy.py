"""Busy, a process and a running job in a browser."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
import redis as redis_py
from playwright.sync_api import Page, expect

from beating import beat, identity, told, work

Web = Callable[..., str]
Check = Callable[[Page], None]
Shot = Callable[[Page, str], Path]
XSS = "\"'><script>window.xss=1</script><img src=x onerror=window.xss=1>"
ONCE_MORE = "fetch('/busy').then((answer) => answer.text())"  # once it has come, so has what was sent before
STACK = [
    "/app/shop/mail.py:12:in Mail.perform",
    "    self.send(to)",
    "/usr/lib/python3.12/ssl.py:1107:in recv",
    "    read()",
]


@pytest.fixture
def filled(redis: redis_py.Redis) -> redis_py.Redis:
    """A usual process, an embedded one, a late Sidekiq, one that means harm."""
    beat(redis, identity(1), concurrency=8)
    for number in range(3):
        work(redis, identity(1), f"t{number}", jid=f"{number:024x}", ago=7 + 1_000 * number, args=[number, "a" * 300])
    beat(redis, identity(2), embedded=True)
    beat(redis, identity(3), version="8.1.7", ago=45, rtt_us=120_000, quiet="true", labels=[])
    work(redis, identity(3), "abc", jid="3" * 24)
    capsules = {XSS: {"concurrency": 4, "mode": "strict", "weights": {XSS: 0, "y" * 200: 0}}}
    beat(redis, identity(4), hostname=XSS, tag=XSS, labels=[XSS], version=f"fastkiq {XSS}", capsules=capsules)
    work(redis, identity(4), XSS, **{"class": XSS, "jid": XSS, "tags": [XSS], "args": [XSS], "queue": XSS})
    told(redis, identity(4), {XSS: [XSS]}, f'Thread {XSS} (1):\n  File "/app/x.py", line 3, in {XSS}\n    {XSS}')
    return redis


def answer(redis: redis_py.Redis, threads: str, stack: list[str]) -> None:
    """Does what the process does at its heartbeat, once it has been asked."""
    until = time.monotonic() + 10
    while not redis.llen(f"{identity(1)}-signals"):
        assert time.monotonic() < until, "the page has not asked"
        time.sleep(0.02)
    redis.delete(f"{identity(1)}-signals")
    told(redis, identity(1), {threads: stack}, "Thread main (1):")


@pytest.mark.parametrize(
    ("path", "theme"),
    [
        ("/busy", "light"),
        ("/busy", "dark"),
        (f"/busy/{quote(identity(4))}", "light"),
        (f"/busy/{quote(identity(1))}/t1", "dark"),
    ],
)
def test_pages_are_accessible_and_harmless(
    web: Web, filled: redis_py.Redis, page: Page, axe: Check, shot: Shot, theme: str, path: str
) -> None:
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    told(filled, identity(1), {"t1": STACK})
    page.goto(web() + path)
    expect(page.locator("h1")).to_be_visible()
    shot(page, f"busy-{path.count('/')}-{theme}")
    axe(page)
    assert page.evaluate("window.xss") is None


def test_an_open_stack_is_live_until_it_is_closed(
    web: Web, filled: redis_py.Redis, open_page: Callable[..., Page], axe: Check
) -> None:
    page = open_page()
    page.clock.install()
    page.goto(web() + "/busy")
    fold = page.locator('details[data-stack*="/t1?"]')
    fold.locator("summary").click()
    expect(fold.locator(".stack-place")).to_contain_text("answers at its next heartbeat")
    answer(filled, "t1", STACK)
    expect(fold.locator(".own").first).to_have_text(re.compile("Mail.perform"))
    expect(fold.locator(".library")).to_have_count(2)
    axe(page)
    answer(filled, "t1", [*STACK, "/app/shop/next.py:1:in further"])
    expect(fold.locator(".own").last).to_have_text(re.compile("further"))
    fold.locator("summary").click()
    page.evaluate(ONCE_MORE)
    filled.delete(f"{identity(1)}-signals")
    page.clock.run_for(12_000)
    page.evaluate(ONCE_MORE)
    assert not filled.llen(f"{identity(1)}-signals"), "an open one asks every 5 s"


def test_an_open_stack_says_that_its_job_has_ended(
    web: Web, filled: redis_py.Redis, open_page: Callable[..., Page], problems: list[str]
) -> None:
    page = open_page(375)
    page.clock.install()
    page.add_init_script("localStorage.setItem('fastkiq.live', 'off')")
    base = web()
    page.goto(f"{base}/busy/{quote(identity(1))}/t1?jid={1:024x}")
    answer(filled, "t1", STACK)
    expect(page.locator(".frames")).to_contain_text("self.send(to)")
    work(filled, identity(1), "t1", jid="9" * 24)
    expect(page.locator(".stack-place")).to_have_text("This job has ended.")
    page.clock.run_for(10_000)
    page.evaluate(ONCE_MORE)
    assert [each[:4] for each in problems] == ["404:"], "and it is not looked for again"
    problems.clear()


def test_readers_ask_nobody_and_read_what_others_asked_for(
    web: Web, filled: redis_py.Redis, open_page: Callable[..., Page]
) -> None:
    told(filled, identity(1), {"t1": STACK})
    page = open_page()
    page.goto(web(read_only=True) + "/busy")
    page.locator('details[data-stack*="/t1?"] summary').click()
    expect(page.locator(".frames")).to_contain_text("self.send(to)")
    expect(page.get_by_role("button", name="Stop")).to_have_count(0)
    assert not filled.llen(f"{identity(1)}-signals")


def test_a_refresh_moves_the_bars(web: Web, redis: redis_py.Redis, open_page: Callable[..., Page]) -> None:
    beat(redis, identity(1), busy=1)
    page = open_page()
    page.goto(web() + "/busy")
    expect(page.locator("meter")).to_have_js_property("value", 1)
    beat(redis, identity(1), busy=4)
    for _ in range(2):
        page.keyboard.press("l")
    expect(page.locator("meter")).to_have_js_property("value", 4)


def test_clocks_run_between_two_refreshes(web: Web, filled: redis_py.Redis, open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.goto(web() + "/busy")
    page.locator("[data-live-toggle]").click()
    clock = page.locator(".elapsed").first
    before = clock.inner_text()
    assert re.fullmatch(r"33:\d\d", before)
    expect(clock).not_to_have_text(before)


def test_the_whole_dump_is_asked_for_and_copied(
    web: Web, filled: redis_py.Redis, open_page: Callable[..., Page]
) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    page.goto(f"{web()}/busy/{quote(identity(1))}")
    page.evaluate("localStorage.setItem('fastkiq.interval', '2')")
    page.reload()
    page.get_by_role("button", name="Ask for the stacks of all threads").click()
    expect(page.locator("#flashes")).to_contain_text("was asked for its stacks")
    answer(filled, "t1", STACK)
    expect(page.locator("#threads .thread")).to_have_text("Thread main (1):")
    page.locator("#threads [data-copy-stack]").click()
    expect(page.locator("#threads [data-copy-stack]")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()").strip() == "Thread main (1):"


def test_processes_are_quieted_and_stopped(web: Web, filled: redis_py.Redis, page: Page) -> None:
    page.goto(web() + "/busy")
    row = page.locator(f'tr[data-key="{identity(1)}"]')
    row.get_by_role("button", name="Log stacks").click()
    expect(page.locator("#flashes")).to_contain_text("app-001:1001 was asked to write")
    row.get_by_role("button", name="Quiet").click()
    expect(page.locator("#confirm-text")).to_contain_text("Quiet app-001:1001?")
    page.locator("[data-confirm-yes]").click()
    expect(page.locator("#flashes")).to_contain_text("to take no more jobs")
    page.get_by_role("button", name="Stop all").click()
    page.keyboard.press("Escape")
    assert filled.lrange(f"{identity(1)}-signals", 0, -1) == [b"TSTP", b"TTIN"]
    page.get_by_role("button", name="Stop all").click()
    page.locator("[data-confirm-yes]").click()
    expect(page.locator("#flashes")).to_contain_text("3 processes were asked to stop")
    assert filled.lrange(f"{identity(1)}-signals", 0, 0) == [b"TERM"]
    assert not filled.exists(f"{identity(2)}-signals")


def test_without_a_script(web: Web, filled: redis_py.Redis, open_page: Callable[..., Page]) -> None:
    page = open_page(java_script_enabled=False)
    page.goto(web() + "/busy")
    page.locator('details[data-stack*="/t1?"] summary').click()
    page.locator('details[data-stack*="/t1?"] a').click()
    page.get_by_role("button", name="Ask for the stack").click()
    expect(page.locator("#flashes")).to_contain_text("was asked for its stacks")
    answer(filled, "t1", STACK)
    page.reload()
    expect(page.locator(".frames")).to_contain_text("self.send(to)")
    page.get_by_role("link", name="app-001:1001").click()
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Yes, go on").click()
    expect(page.locator("#flashes")).to_contain_text("app-001:1001 was asked to stop")
    assert page.url.endswith(quote(identity(1), safe=""))
