"""Errors of one kind, counted: what is shown, and that no number is shown as final before it is."""

import re
from collections.abc import Callable
from html import unescape

import pytest
import redis as redis_py

from fastkiq.web import grouping
from web_jobs import KEYS, NASTY, add, failed, fill, flash, hidden, rows
from web_server import ask, post

Web = Callable[..., str]


def kinds(redis: redis_py.Redis, path: str) -> None:
    """Five of one kind, two of another, one without an error."""
    for at in range(5):
        add(redis, path, failed(f"{at:024x}", error_message=f"smtp-{at} did not answer within 10 s"), 2e9 + at)
    for at in range(2):
        add(
            redis, path, failed(f"b{at:023x}", error_class="KeyError", error_message="'price'", **{"class": "shop.Buy"})
        )
    add(redis, path, failed("c" * 24, error_class=None, error_message=None))


def counts(text: str) -> dict[str, str]:
    """Heading -> count."""
    found = re.findall(r'class="group-count">(.*?)</p>.*?<h2>(.*?)</h2>', text, re.DOTALL)
    return {unescape(re.sub(r"<[^>]+>", "", title)): re.sub(r"<[^>]+>", "", count).strip() for count, title in found}


@pytest.mark.parametrize("path", ["/retries", "/morgue"])
def test_errors_of_one_kind_are_one_group(web: Web, redis: redis_py.Redis, path: str) -> None:
    kinds(redis, path)
    text = ask(f"{web()}{path}/groups").text
    assert counts(text) == {
        "TimeoutError: smtp-# did not answer within # s": "5",
        "KeyError: 'price'": "2",
        "No error is kept": "1",
    }
    assert "All 8 counted" in text
    assert "shop.<wbr>Buy <b>2</b>" in text
    assert "smtp-0 did not answer" in text or "smtp-4 did not answer" in text


@pytest.mark.parametrize("path", ["/retries", "/morgue"])
def test_a_group_leads_to_its_jobs_and_is_acted_on_as_a_whole(web: Web, redis: redis_py.Redis, path: str) -> None:
    kinds(redis, path)
    base = web()
    text = ask(f"{base}{path}/groups").text
    link = re.search(r'<h2><a href="([^"]+)">TimeoutError', text)
    assert link is not None
    listed = ask(base + unescape(link[1]))
    assert len(rows(listed)) == 5
    form = re.search(rf'action="({path}/all/delete)">(.*?)</form>', text, re.DOTALL)
    assert form is not None
    fields = [(name, unescape(value)) for name, value in re.findall(r'name="([^"]+)" value="([^"]*)"', form[2])]
    assert ("group", "TimeoutError: smtp-# did not answer within # s") in fields
    asked = post(base + form[1], fields)
    assert "Delete the 5 jobs that match?" in asked.text
    answer = post(base + form[1], [*((name, unescape(value)) for name, value in hidden(asked)), ("confirm", "1")])
    assert flash(answer) == "5 jobs were deleted."
    assert redis.zcard(KEYS[path]) == 3
    assert "All 3 counted" in ask(f"{base}{path}/groups").text


def test_groups_of_those_that_match_a_filter(web: Web, redis: redis_py.Redis) -> None:
    kinds(redis, "/retries")
    text = ask(f"{web()}/retries/groups?class=Buy").text
    assert counts(text) == {"KeyError: 'price'": "2"}
    assert "Only those that match the filter" in text


def test_a_large_set_is_counted_little_by_little_and_says_so(
    web: Web, redis: redis_py.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grouping, "_SLICE", 0.0)
    fill(redis, "/morgue", 6_000)
    base = web()
    before, answers = 0, 0
    while True:
        text = ask(base + "/morgue/groups").text
        answers += 1
        under_way = re.search(r"([\d,]+) of 6,000 counted", text)
        if under_way is None:
            break
        looked = int(under_way[1].replace(",", ""))
        assert looked > before
        assert next(iter(counts(text).values())) == f"≥{looked:,}"
        assert "data-counting" in text
        before = looked
        assert answers < 1_000
    assert answers > 1
    assert "All 6,000 counted" in text
    assert list(counts(text).values()) == ["6,000"]


def test_hostile_errors_are_groups_too(web: Web, redis: redis_py.Redis) -> None:
    messages = [NASTY, "a\r\nb", "\tx\ty \x00 \x1b[31m", "é" * 5_000, "‮ evil", " spaced "]
    for at, message in enumerate(messages):
        add(redis, "/retries", failed(f"{at:024x}", error_class=NASTY, error_message=message))
    base = web()
    text = ask(base + "/retries/groups").text
    assert "<script>alert" not in text
    links = re.findall(r'<h2><a href="([^"]+)">', text)
    assert len(links) == len(messages)
    for link in links:
        assert len(rows(ask(base + unescape(link)))) == 1
    for form in re.findall(r'action="/retries/all/delete">(.*?)</form>', text, re.DOTALL):
        fields = [(name, unescape(value)) for name, value in re.findall(r'name="([^"]+)" value="([^"]*)"', form)]
        assert flash(post(base + "/retries/all/delete", [*fields, ("confirm", "1")])) == "1 job was deleted."
    assert redis.zcard("retry") == 0
