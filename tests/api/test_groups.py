"""Errors of one kind, counted little by little."""

import pytest
import redis as redis_py

from api.kit import HOSTILE, failed, fill, payload
from fastkiq import api

pytestmark = pytest.mark.both_servers


def whole(jobs: api.JobSet, wanted: api.Filter | None = None, seconds: float = 20) -> api.Grouping:
    grouping = api.Grouping(jobs, wanted)
    while not grouping.is_complete:
        grouping.advance(seconds)
    return grouping


def test_long_names_are_not_kept(inspected: api.Redis, redis: redis_py.Redis) -> None:
    fill(redis, "dead", {failed(number, **{"class": f"{number}" * 10_000}): number for number in range(3)})
    (group,) = whole(api.DeadSet(inspected)).groups
    assert group.classes == {f"{number}" * 200: 1 for number in range(3)}


def test_groups(inspected: api.Redis, redis: redis_py.Redis) -> None:
    members = {
        failed(number, error_message=f"answer {number} took {number} ms", **{"class": f"C{number % 30}"}): number
        for number in range(900)
    }
    members |= {failed(number, error_class="Rare", error_message="once\nmore"): 5_000 + number for number in range(3)}
    members |= {payload(number): 6_000 for number in range(2)}
    fill(redis, "dead", members)
    grouping = whole(api.DeadSet(inspected))
    most, rare, none = grouping.groups
    assert (most.signature, most.count, most.earliest, most.latest) == ("ValueError: answer # took # ms", 900, 0, 899)
    assert (len(most.classes), most.error_class) == (20, "ValueError")
    assert most.message.startswith("answer 899")
    assert (rare.signature, rare.message, rare.count) == ("Rare: once", "once\nmore", 3)
    assert (none.signature, none.count) == ("", 2)
    assert (grouping.looked, grouping.total, grouping.others) == (905, 905, 0)
    for group in (most, rare):
        found = list(api.DeadSet(inspected).scan(api.Filter(group=group.signature)))
        assert len(found) == group.count
    filtered = whole(api.DeadSet(inspected), api.Filter(class_name="C7"))
    assert [(group.count, group.classes) for group in filtered.groups] == [(30, {"C7": 30})]


def test_little_by_little(inspected: api.Redis, redis: redis_py.Redis) -> None:
    fill(redis, "retry", {failed(number): 5 for number in range(5_000)})
    grouping = api.Grouping(api.RetrySet(inspected))
    steps = []
    while not grouping.is_complete:
        grouping.advance(0)
        steps.append(sum(group.count for group in grouping.groups))
    assert steps == sorted(set(steps))
    assert len(steps) > 3
    assert steps[-1] == grouping.looked == 5_000


def test_what_no_set_should_hold(inspected: api.Redis, redis: redis_py.Redis) -> None:
    fill(redis, "retry", {**HOSTILE, failed(1, args=["x" * 2_000_000]): 5.0})
    grouping = whole(api.RetrySet(inspected))
    assert grouping.unread == 1
    assert sum(group.count for group in grouping.groups) == len(HOSTILE)
    redis.delete("retry")
    redis.set("retry", "x")
    assert whole(api.RetrySet(inspected)).groups == []


def test_more_groups_than_are_kept(inspected: api.Redis, redis: redis_py.Redis) -> None:
    def name(number: int) -> str:
        return "".join(chr(97 + int(digit)) for digit in f"{number:04}")

    fill(redis, "retry", {failed(number, error_class=name(number)): number for number in range(1_200)})
    grouping = whole(api.RetrySet(inspected))
    assert (len(grouping.groups), grouping.others) == (1_000, 200)
