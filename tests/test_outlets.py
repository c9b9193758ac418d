"""What takes payloads in place of Redis sees each push, and decides by itself which ones it hands on."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pytest
from redis import Redis

import fastkiq
from fastkiq import Config, outlets
from fastkiq import config as configuration
from fastkiq.outlets import Payload, Push


class Mail(fastkiq.Worker, name="outlets.Mail"):
    def perform(self, to: str) -> None: ...


@pytest.fixture(autouse=True)
def config(redis_url: str) -> Iterator[Config]:
    before = configuration.replace_default(Config(redis_url=redis_url))
    yield configuration.default()
    configuration.replace_default(before)


class Held:
    """Keeps payloads, and how to push them."""

    def __init__(self) -> None:
        self.payloads: list[Payload] = []
        self.pushes: list[tuple[Push, list[Payload]]] = []

    def __call__(self, payloads: Iterable[Payload], push: Push) -> Sequence[str]:
        taken = list(payloads)
        self.payloads += taken
        self.pushes.append((push, taken))
        return [payload["jid"] for payload in taken]


@pytest.fixture
def held() -> Iterator[Held]:
    outlet = Held()
    outlets.add(outlet)
    yield outlet
    outlets.remove(outlet)


def test_what_an_outlet_keeps_is_not_pushed_until_it_says_so(redis: Redis, held: Held) -> None:
    jid = Mail.perform_async("ann")
    jids = Mail.perform_bulk([("bob",), ("eve",)])
    later = Mail.perform_in(60, "dan")
    assert redis.keys() == []
    assert [payload["args"] for payload in held.payloads] == [["ann"], ["bob"], ["eve"], ["dan"]]
    for push, payloads in held.pushes:
        assert list(push(payloads)) == [payload["jid"] for payload in payloads]
    queued = [json.loads(each)["jid"] for each in redis.lrange("queue:default", 0, -1)]
    assert queued[::-1] == [jid, *jids]
    [(stored, score)] = redis.zrange("schedule", 0, -1, withscores=True)
    assert json.loads(stored)["jid"] == later
    assert abs(score - redis.time()[0] - 60) < 2


def test_bad_arguments_are_refused_at_the_call(held: Held) -> None:
    with pytest.raises(fastkiq.ArgumentError, match=r"Mail\.perform\(to\): args\[0\]: object"):
        Mail.perform_async(object())  # type: ignore[arg-type]
    with pytest.raises(fastkiq.ArgumentError, match="max_payload_bytes"):
        Mail.perform_async("x" * 9_000_000)
    with pytest.raises(fastkiq.ArgumentError, match=r"args\[0\]: object"):
        Mail.perform_bulk([("fine",), (object(),)])
    assert held.payloads == []


def test_the_first_one_stands_outermost(redis: Redis, held: Held) -> None:
    seen: list[Any] = []

    def watch(payloads: Iterable[Payload], push: Push) -> Sequence[str]:
        taken = list(payloads)
        seen.extend(each["args"] for each in taken)
        return push(taken)

    outlets.add(watch, last=True)
    try:
        Mail.perform_async("ann")
        assert seen == []
        for push, payloads in held.pushes:
            push(payloads)
        assert seen == [["ann"]]
        assert redis.llen("queue:default") == 1
    finally:
        outlets.remove(watch)
