"""A job looked for by its ID, in all places."""

import re
from collections.abc import Callable

import pytest
import redis as redis_py

from fastkiq.web.pages import search
from web_jobs import add, enqueue, failed, fill, payload, rows, run
from web_server import ask

Web = Callable[..., str]
JID = "a" * 24


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part of a search is all of it, however slow the machine is."""
    monkeypatch.setattr(search, "_SECONDS", 30.0)


def test_everywhere_it_is(web: Web, redis: redis_py.Redis) -> None:
    for path in ("/retries", "/scheduled", "/morgue"):
        add(redis, path, failed())
        add(redis, path, failed("b" * 24))
    enqueue(redis, payload(queue="low"))
    enqueue(redis, payload("b" * 24))
    run(redis, payload())
    base = web()
    answer = ask(f"{base}/search?q={JID}")
    assert len(rows(answer)) == 5
    assert "that is everywhere" in answer.text
    links = re.findall(r'class="job" href="([^"]+)"', answer.text)
    assert len(links) == 5
    for link in links:
        assert JID in ask(base + link).text


def test_one_place_is_shown_as_a_list_too(web: Web, redis: redis_py.Redis) -> None:
    add(redis, "/retries", failed())
    answer = ask(f"{web()}/search?q=%20{JID}%20")
    assert answer.status == 200
    assert len(rows(answer)) == 1


def test_nowhere(web: Web) -> None:
    answer = ask(f"{web()}/search?q=nothing")
    assert rows(answer) == []
    assert "No such job" in answer.text


def test_a_long_search_goes_on_part_by_part(web: Web, redis: redis_py.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_SECONDS", 0.0)
    fill(redis, "/retries", 9_000)
    enqueue(redis, payload())
    base, url, found, parts = web(), f"/search?q={JID}", 0, 0
    while url:
        answer = ask(base + url)
        found += len(rows(answer))
        parts += 1
        following = re.search(r'href="([^"]+)" rel="next" data-goes-on', answer.text)
        assert ("jobs looked at; goes on" in answer.text) == (following is not None)
        url = following[1].replace("&amp;", "&") if following else ""
        assert parts < 1_000
    assert parts > 1
    assert found == 1
    assert "9,001 jobs looked at" in answer.text


@pytest.mark.parametrize(
    "query",
    ["", "q=", "q=%20", "q=" + "x" * 201, "q=a%00b", "q=a&cursor=nonsense", "q=a&cursor=retry~x", "q=a&looked=x"],
)
def test_bad_questions(web: Web, query: str) -> None:
    assert ask(f"{web()}/search?{query}").status == 400


def test_filtered_bytes_are_in_no_cursor(web: Web, redis: redis_py.Redis) -> None:
    jobs = [failed(f"{at:024x}", args=[{"token": "t0ps3cret"}], **{"class": "A" * (at % 2 + 1)}) for at in range(60)]
    for job in jobs:
        add(redis, "/scheduled", job)
    filtering, plain = web(filter_args=["token"]), web()
    for base in (filtering, plain):
        url, seen, cursors = "/scheduled?count=7", 0, []
        while url:
            answer = ask(base + url)
            seen += len(rows(answer))
            following = re.search(r'href="([^"]+)" rel="next"', answer.text)
            url = following[1].replace("&amp;", "&") if following else ""
            cursors += re.findall(r"cursor=([^&]+)", url)
        assert seen == 60
        assert any("_p" in cursor for cursor in cursors) == (base == plain)
    taken = cursors[0]
    assert ask(f"{plain}/scheduled?cursor={taken}").status == 200
    assert ask(f"{filtering}/scheduled?cursor={taken}").status == 400
    assert ask(f"{filtering}/search?q=x&cursor=schedule~{taken}").status == 400
