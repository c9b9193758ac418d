"""`fastkiq retries`, `scheduled` and `dead` as listings: filters, pages, groups, and the shape of the JSON."""

import json
import subprocess
from collections.abc import Callable

import pytest
import redis as redis_py

from fastkiq.backtrace import compressed
from stored import failed, jid, job, put
from terminal import Terminal

Ask = Callable[..., subprocess.CompletedProcess[str]]


def listed(ask: Ask, *arguments: str) -> list[str]:
    """The jids of a listing."""
    answer = ask(*arguments, "--json")
    assert answer.returncode == 0, answer
    return [row["jid"] for row in json.loads(answer.stdout)["jobs"]]


def test_the_json_has_all_of_an_entry(ask: Ask, redis: redis_py.Redis) -> None:
    try:
        raise ValueError("boom")
    except ValueError as error:
        backtrace = compressed(error)
    raw = failed(1, queue="mail", tags=["a", "é"], error_backtrace=backtrace, retried_at=1_700_000_000_500, custom=[1])
    put(redis, "retry", raw, score=1_800_000_000.25)
    document = json.loads(ask("retries", "--json").stdout)
    (row,) = document.pop("jobs")
    assert document == {"total": 1, "next": None}
    assert row["payload"] == json.loads(raw)
    times = row.pop("times")
    assert times["at"] == {"iso": "2027-01-15T08:00:00.250Z", "epoch": 1_800_000_000.25}
    assert times["retried_at"] == {"iso": "2023-11-14T22:13:20.500Z", "epoch": 1_700_000_000.5}
    assert set(times) == {"created_at", "enqueued_at", "failed_at", "retried_at", "at"}
    assert row.pop("backtrace")[0].endswith("in test_the_json_has_all_of_an_entry")
    assert {key: value for key, value in row.items() if key != "payload"} == {
        "jid": jid(1),
        "class": "app.Mail",
        "queue": "mail",
        "args": [1],
        "tags": ["a", "é"],
        "retry_count": 0,
        "error": "ValueError: boom",
        "error_class": "ValueError",
        "error_message": "boom",
        "bytes": len(raw),
        "raw": None,
        "id": f"1800000000.25-{jid(1)}",
        "at": 1_800_000_000.25,
        "score": 1_800_000_000.25,
    }


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        (["--class", "Order"], [2, 4]),
        (["--queue", "mail"], [1, 2]),
        (["-q", "mai"], []),
        (["--error", "KeyError: 'k"], [3]),
        (["--arg", '"ann'], [3]),
        (["--tag", "billing"], [4]),
        (["--tag", "bill"], []),
        (["--jid", jid(1)], [1]),
        (["--text", '"custom": "yes"'], [2]),
        (["--group", "ValueError: order # is late"], [1, 2]),
        (["--class", "Order", "--queue", "mail"], [2]),
    ],
)
def test_filters(ask: Ask, redis: redis_py.Redis, options: list[str], numbers: list[int]) -> None:
    put(
        redis,
        "dead",
        failed(1, "ValueError: order 17 is late", queue="mail"),
        failed(2, "ValueError: order 18 is late", queue="mail", custom="yes", **{"class": "app.Order"}),
        failed(3, "KeyError: 'key'", args=["ann@example.org"]),
        failed(4, "OSError: x", tags=["billing"], **{"class": "app.OrderMail"}),
    )
    assert sorted(listed(ask, "dead", *options)) == [jid(number) for number in numbers]
    if not numbers:
        assert ask("dead", *options).stderr == "nothing of the kind\n"


def test_pages_follow_each_other(ask: Ask, redis: redis_py.Redis) -> None:
    put(redis, "schedule", *(job(number) for number in range(5)))
    answer = ask("scheduled", "-n", "2")
    assert [line.split()[-2] for line in answer.stdout.splitlines()[1:]] == [jid(0), jid(1)]
    assert answer.stderr.startswith("fastkiq: 2 of 5 shown; --cursor ")
    cursor = answer.stderr.split()[-3]
    document = json.loads(ask("scheduled", "-n", "2", "--cursor", cursor, "--json").stdout)
    assert [row["jid"] for row in document["jobs"]] == [jid(2), jid(3)]
    assert document["total"] == 5
    last = ask("scheduled", "-n", "2", "--cursor", document["next"])
    assert jid(4) in last.stdout
    assert last.stderr == ""
    wrong = ask("scheduled", "--cursor", "x")
    assert wrong.returncode == 2
    assert "this is no cursor" in wrong.stderr


def test_a_filter_looks_until_the_page_is_full(ask: Ask, redis: redis_py.Redis) -> None:
    with redis.pipeline(transaction=False) as pipeline:
        for number in range(6_000):
            pipeline.zadd(
                "retry", {job(number, **{"class": "app.Rare" if number % 2_000 == 1_999 else "app.A"}): number}
            )
        pipeline.execute()
    assert listed(ask, "retries", "--class", "Rare", "-n", "2") == [jid(1_999), jid(3_999)]
    assert listed(ask, "retries", "--class", "Rare") == [jid(1_999), jid(3_999), jid(5_999)]


def test_groups_count_errors_of_one_kind(ask: Ask, redis: redis_py.Redis) -> None:
    put(redis, "retry", *(failed(number, f"ValueError: order {number} is late") for number in range(3)))
    put(redis, "retry", failed(9, "OSError: disk", **{"class": "app.Disk"}))
    document = json.loads(ask("retries", "--groups", "--json").stdout)
    assert {key: document[key] for key in ("total", "looked", "others")} == {"total": 4, "looked": 4, "others": 0}
    first, second = document["groups"]
    assert (first["group"], first["count"], first["classes"]) == ("ValueError: order # is late", 3, {"app.Mail": 3})
    assert (second["error_class"], second["message"]) == ("OSError", "disk")
    lines = ask("retries", "--groups").stdout.splitlines()
    assert lines[0].split() == ["Jobs", "Earliest", "Latest", "Group", "Classes"]
    assert lines[1].split()[0] == "3"
    assert "ValueError: order # is late" in lines[1]
    assert len(listed(ask, "retries", "--group", first["group"])) == 3
    assert ask("retries", "--groups", "--class", "Disk").stdout.count("\n") == 2
    assert "and 1 groups more" in ask("retries", "--groups", "-n", "1").stderr
    assert "--cursor" in ask("retries", "--groups", "--cursor", "1_1").stderr


def test_a_group_is_never_cut_on_a_terminal(terminal: Callable[..., Terminal], redis: redis_py.Redis) -> None:
    message = "no answer from " + "a.very.long.host." * 8 + "org"
    put(redis, "dead", failed(1, f"TimeoutError: {message}"))
    shown = terminal("dead", "--groups", columns=80)
    assert shown.wait() == 0
    assert f"TimeoutError: {message}" in shown.text


def test_what_is_no_job_is_shown_as_it_is(ask: Ask, redis: redis_py.Redis) -> None:
    put(redis, "dead", b"\xff\x1b no json", b'{"args": 5}', b"x" * 1_048_577)
    answer = ask("dead", "--json")
    long, odd, none = json.loads(answer.stdout)["jobs"]
    assert none["payload"] is None
    assert none["raw"] == "\ufffd\x1b no json"
    assert odd["payload"] == {"args": 5}
    assert (long["bytes"], long["raw"]) == (1_048_577, None)
    assert long["error"] == "its 1,048,577 bytes are too many to be shown"
    assert answer.stdout.isascii()
    assert "longer than" in ask("dead", "--text", "no json").stderr
    assert "1 dead job too long to be looked into" in ask("dead", "--groups").stderr
    acted = ask("dead", "delete", "--text", "no json", "--yes")
    assert acted.stdout == "1 dead job deleted\n"
    assert "1 entries are longer than" in acted.stderr


@pytest.mark.parametrize("command", ["retries", "scheduled", "dead"])
def test_a_key_of_another_type_is_left_out(ask: Ask, redis: redis_py.Redis, command: str) -> None:
    redis.set({"retries": "retry", "scheduled": "schedule"}.get(command, command), "x")
    for options in ([], ["--class", "x"]):
        answer = ask(command, *options)
        assert answer.returncode == 0
        assert "holds something else than it should" in answer.stderr


def test_an_infinite_score_is_null(ask: Ask, redis: redis_py.Redis) -> None:
    put(redis, "retry", job(1), score=float("inf"))
    (row,) = json.loads(ask("retries", "--json").stdout)["jobs"]
    assert row["at"] is None
    assert row["times"]["at"] is None


def test_the_days_of_stats(ask: Ask, redis: redis_py.Redis) -> None:
    from datetime import UTC, datetime

    today = datetime.now(UTC).date().isoformat()
    redis.set(f"stat:processed:{today}", 1_234)
    redis.set(f"stat:failed:{today}", "x")
    days = json.loads(ask("stats", "--days", "3", "--json").stdout)
    assert len(days) == 3
    assert {"date": today, "processed": 1_234, "failed": 0} in days
    assert "1,234" in ask("stats", "--days", "3").stdout
    found = json.loads(ask("stats", "--json").stdout)
    assert {"processed", "failed", "busy", "processes", "enqueued", "scheduled", "retries", "dead"} < set(found)
    assert found["memory_bytes"] > 0
