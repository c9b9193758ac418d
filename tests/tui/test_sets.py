"""Retries, scheduled and dead jobs: pages, filters, selections, and what is done to them."""

import asyncio
import json
from typing import Any

import pytest
import redis as redis_py

from fastkiq.api import Filter, JobSet, Sweep
from top_kit import Screen, add, failed, opened, stored

pytestmark = pytest.mark.timeout(30)


def jids(redis: redis_py.Redis, key: str) -> list[str]:
    return [json.loads(raw)["jid"] for raw in redis.zrange(key, 0, -1)]


def many(count: int, **fields: object) -> list[str]:
    return [failed(jid=f"jid-{at:04}", args=[at], **fields) for at in range(count)]


@pytest.mark.both_servers
def test_a_set_is_shown_page_by_page(redis: redis_py.Redis, redis_url: str) -> None:
    add(redis, "retry", many(50))

    async def scenario(screen: Screen) -> None:
        await screen.press("5")
        await screen.sees("1-20 of 50", "app.HardWorker", "app.Declined: card 4242", "args   0", "in 60 min")
        await screen.press("l")
        await screen.sees("21-40 of 50", "args   20")
        await screen.press("pagedown")
        await screen.sees("41-50 of 50", "args   40")
        await screen.press("l")
        await screen.press("h")
        await screen.sees("21-40 of 50", "args   20")
        await screen.press("l")
        await screen.sees("41-50 of 50")
        await screen.press("h", "h", "h")
        await screen.sees("1-20 of 50", "args   0")
        await screen.press("j", "j", "down")
        await screen.sees("args   3")
        await screen.press("k", "up")
        await screen.sees("args   1")

    run(redis_url, scenario)


def test_the_row_stays_with_its_job_when_others_go(redis: redis_py.Redis, redis_url: str) -> None:
    payloads = many(5)
    add(redis, "retry", payloads)

    async def scenario(screen: Screen) -> None:
        await screen.press("5")
        await screen.sees("1-5 of 5")
        await screen.press("j", "j", "j")
        await screen.sees("args   3")
        redis.zrem("retry", payloads[0], payloads[1])
        await screen.sees("1-3 of 3", "args   3")

    run(redis_url, scenario)


@pytest.mark.parametrize(
    ("tab", "key", "keys", "action", "goes_to"),
    [
        ("4", "schedule", "E", "Enqueue", "queue:default"),
        ("4", "schedule", "D", "Delete", None),
        ("5", "retry", "R", "Retry", "queue:default"),
        ("5", "retry", "K", "Kill", "dead"),
        ("5", "retry", "D", "Delete", None),
        ("6", "dead", "R", "Retry", "queue:default"),
        ("6", "dead", "D", "Delete", None),
    ],
)
def test_an_action_asks_and_is_done_to_the_row(
    redis: redis_py.Redis, redis_url: str, tab: str, key: str, keys: str, action: str, goes_to: str | None
) -> None:
    add(redis, key, many(3))

    async def scenario(screen: Screen) -> None:
        await screen.press(tab)
        await screen.sees("of 3")
        await screen.press("j", keys)
        await screen.sees(f"{action} this job", "app.HardWorker jid-0001")
        await screen.press("n")
        await screen.misses("this job")
        assert redis.zcard(key) == 3, "no means no"
        await screen.press(keys)
        await screen.sees(f"{action} this job")
        await screen.press("enter")
        await screen.press("y")
        await screen.sees("1 job ", "of 2")
        assert "jid-0001" not in jids(redis, key)
        if goes_to == "dead":
            assert jids(redis, "dead") == ["jid-0001"]
        elif goes_to:
            assert [json.loads(raw)["jid"] for raw in redis.lrange(goes_to, 0, -1)] == ["jid-0001"]

    run(redis_url, scenario)


def test_an_action_is_done_to_the_selected_on_several_pages(redis: redis_py.Redis, redis_url: str) -> None:
    add(redis, "dead", many(30))

    async def scenario(screen: Screen) -> None:
        await screen.press("6")
        await screen.sees("1-20 of 30")
        await screen.press("x", "x")
        await screen.sees("2 selected")
        await screen.press("l")
        await screen.sees("21-30 of 30")
        await screen.press("x")
        await screen.sees("3 selected")
        await screen.press("D")
        await screen.sees("Delete these 3 jobs of the dead jobs?")
        await screen.press("y")
        await screen.sees("3 jobs deleted", "of 27")
        assert sorted(set(jids_of(30)) - set(jids(redis, "dead"))) == ["jid-0009", "jid-0028", "jid-0029"]
        await screen.misses("selected")

    run(redis_url, scenario)


def test_all_are_selected_page_by_page_and_then_whole(redis: redis_py.Redis, redis_url: str) -> None:
    add(redis, "retry", many(600))

    async def scenario(screen: Screen) -> None:
        await screen.press("5")
        await screen.sees("of 600")
        await screen.press("A")
        await screen.sees("20 selected; A again")
        await screen.press("A")
        await screen.sees("all selected")
        await screen.press("A")
        await screen.sees("nothing is selected")
        await screen.press("A", "A", "K")
        await screen.sees("Kill all 600 retries?")
        await screen.press("y")
        await screen.sees("600 jobs killed", "no retries")
        assert (redis.zcard("retry"), redis.zcard("dead")) == (0, 600)

    run(redis_url, scenario)


def test_all_that_match_a_filter_are_counted_and_acted_on(redis: redis_py.Redis, redis_url: str) -> None:
    add(redis, "retry", many(40) + [failed(jid=f"slow-{at}", error_class="app.TooSlow") for at in range(7)])

    async def scenario(screen: Screen) -> None:
        await screen.press("5")
        await screen.sees("of 47")
        await screen.press("/")
        await screen.type("error:TooSlow")
        await screen.press("enter")
        await screen.sees("7 found; 47 of 47 looked at", "filter error:TooSlow")
        await screen.press("A", "A", "D")
        await screen.sees("Delete all retries that match error:TooSlow?", "7 jobs")
        await screen.press("y")
        await screen.sees("7 jobs deleted", "0 found")
        assert redis.zcard("retry") == 40
        await screen.press("escape")
        await screen.sees("1-20 of 40")

    run(redis_url, scenario)


def test_a_filter_says_how_far_it_looked_and_goes_on(
    redis: redis_py.Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastkiq.tui.sets._LOOK", 100)
    add(
        redis,
        "schedule",
        [stored(jid=f"jid-{at}", args=[f"needle{at}" if at % 150 == 120 else at]) for at in range(300)],
    )

    async def scenario(screen: Screen) -> None:
        await screen.press("4", "/")
        await screen.type("arg:needle")
        await screen.press("enter")
        await screen.sees("0 found; 100 of 300 looked at · l: more")
        await screen.press("l")
        await screen.sees("1 found; 200 of 300 looked at", "needle120")
        await screen.press("l")
        await screen.sees("1 found; 300 of 300 looked at", "needle270")
        await screen.misses("l: more")

    run(redis_url, scenario)


def test_escape_leaves_a_filter_as_it_was(redis: redis_py.Redis, redis_url: str) -> None:
    add(redis, "retry", many(3))

    async def scenario(screen: Screen) -> None:
        await screen.press("5", "/")
        await screen.type("qqq")
        await screen.press("escape")
        await screen.sees("1-3 of 3")
        assert screen.top.is_running, "q was part of the filter"

    run(redis_url, scenario)


def test_a_long_action_shows_how_far_it_is_and_can_be_stopped(
    redis: redis_py.Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(redis, "dead", many(30))
    sweep = JobSet.sweep

    def endlessly(self: JobSet, action: str, wanted: Filter | None, cursor: str | None, **options: Any) -> Sweep:
        part = sweep(self, action, wanted, None, **options)
        part.cursor = "more to come, whatever Redis says"
        return part

    monkeypatch.setattr(JobSet, "sweep", endlessly)

    async def scenario(screen: Screen) -> None:
        await screen.press("6")
        await screen.sees("of 30")
        await screen.press("A", "A", "D")
        await screen.sees("y yes")
        await screen.press("y")
        await screen.sees("Delete all 30 dead jobs?", "30 jobs deleted; ", "Esc  stop")
        await screen.press("escape")
        await screen.sees("30 jobs deleted; stopped", "no dead jobs")

    run(redis_url, scenario)


def test_errors_are_grouped_and_acted_on_by_group(redis: redis_py.Redis, redis_url: str) -> None:
    add(redis, "dead", many(5) + [failed(jid=f"slow-{at}", error_message=f"took {at} s") for at in range(3)])

    async def scenario(screen: Screen) -> None:
        await screen.press("6", "g")
        text = await screen.sees("groups 1-2 of 2 · 8 jobs of 8 counted", "app.Declined: took 2 s", "app.HardWorker 5")
        assert text.index("card 4242") < text.index("took"), "the largest first"
        await screen.press("j", "enter")
        await screen.sees("3 found; 8 of 8 looked at", "filter group:app.Declined: took # s")
        await screen.press("escape")
        await screen.sees("1-8 of 8")
        await screen.press("g")
        await screen.sees("groups 1-2 of 2")
        await screen.press("R")
        await screen.sees("Retry 5 jobs of 1 group?", "5 × app.Declined: card # was declined")
        await screen.press("y")
        await screen.sees("5 jobs retried", "groups 1-1 of 1")
        assert (redis.llen("queue:default"), redis.zcard("dead")) == (5, 3)
        await screen.press("escape")
        await screen.sees("1-3 of 3")

    run(redis_url, scenario)


def test_a_group_of_a_filtered_set_has_only_what_the_filter_wants(redis: redis_py.Redis, redis_url: str) -> None:
    add(redis, "retry", [failed(jid="a", queue="mail"), failed(jid="b"), failed(jid="c", queue="mail")])

    async def scenario(screen: Screen) -> None:
        await screen.press("5", "/")
        await screen.type("queue:mail")
        await screen.press("enter")
        await screen.sees("2 found")
        await screen.press("g")
        await screen.sees("groups 1-1 of 1")
        await screen.press("D")
        await screen.sees("y yes")
        await screen.press("y")
        await screen.sees("2 jobs deleted")
        assert jids(redis, "retry") == ["b"]

    run(redis_url, scenario)


def test_jobs_without_an_error_are_no_group_to_act_on(redis: redis_py.Redis, redis_url: str) -> None:
    """A filter for no error would be one for everything."""
    add(redis, "dead", [stored(jid=f"whole-{at}") for at in range(3)] + [failed(jid="failed")])

    async def scenario(screen: Screen) -> None:
        await screen.press("6", "g")
        await screen.sees("groups 1-2 of 2", "(no error)")
        await screen.press("D")
        await screen.sees("jobs without an error cannot be asked for by it")
        await screen.press("enter")
        await screen.sees("groups 1-2 of 2")
        await screen.press("A", "D")
        await screen.sees("Delete 1 job of 1 group?", "1 × app.Declined")
        await screen.press("y")
        await screen.sees("1 job deleted")

    run(redis_url, scenario)
    assert jids(redis, "dead") == ["whole-0", "whole-1", "whole-2"]


def test_what_was_too_long_to_be_looked_into_is_said(redis: redis_py.Redis, redis_url: str) -> None:
    add(redis, "dead", [failed(jid="long", args=["x" * 1_100_000]), failed(jid="short")])

    async def scenario(screen: Screen) -> None:
        await screen.press("6", "g")
        await screen.sees("groups 1-1 of 1", "1 are too long to be looked into")
        await screen.press("D")
        await screen.sees("y yes")
        await screen.press("y")
        await screen.sees("1 job deleted; 1 entries are longer than")

    run(redis_url, scenario)
    assert redis.zcard("dead") == 1


def test_nothing_can_be_changed_when_it_is_read_only(redis: redis_py.Redis, redis_url: str) -> None:
    add(redis, "retry", many(3))

    async def scenario(screen: Screen) -> None:
        await screen.press("5")
        text = await screen.sees("1-3 of 3", "read-only")
        assert "retry " not in text.splitlines()[-1]
        await screen.press("D", "R", "K", "enter")
        await screen.sees("Timeline")
        await screen.press("D", "R", "K")
        await screen.press("escape")
        await screen.sees("1-3 of 3")
        await screen.press("g")
        await screen.sees("groups")
        await screen.press("D", "K")
        await screen.press("3", "D", "p")
        await screen.misses("y yes")

    redis.sadd("queues", "default")
    asyncio.run(_within(redis_url, scenario, read_only=True))
    assert (redis.zcard("retry"), redis.llen("queue:default"), redis.exists("paused", "dead")) == (3, 0, 0)


def jids_of(count: int) -> list[str]:
    return [f"jid-{at:04}" for at in range(count)]


def run(url: str, scenario: object) -> None:
    asyncio.run(_within(url, scenario))


async def _within(url: str, scenario: object, *, read_only: bool = False) -> None:
    async with opened(url, read_only=read_only) as screen:
        await screen.sees("Processed")
        await scenario(screen)  # type: ignore[operator]
