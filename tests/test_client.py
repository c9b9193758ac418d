"""From a call to what lies in Redis: every enqueue call, client middleware, inline runs, the default client."""

import asyncio
import json
import re
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis import Redis

import fastkiq
from fastkiq import ArgumentError, Client, Config, client, registry
from fastkiq import config as configuration

JID = re.compile(r"[0-9a-f]{24}")


class Hard(fastkiq.Worker, queue="low", retry=5, name="app.Hard"):
    def perform(self, name: str, count: int = 1) -> Any:
        job = fastkiq.current_job()
        assert job is self.job
        return [name, count, self.jid, job.queue]


class Nested(fastkiq.Worker):
    def perform(self, value: Any) -> Any:
        if value == "raise":
            raise ValueError("of the job")
        return value


class Async(fastkiq.Worker):
    async def perform(self, value: Any) -> Any:
        await asyncio.sleep(0)
        job = fastkiq.current_job()
        assert job is not None
        return [value, job.jid == self.jid]


@pytest.fixture(autouse=True)
def config(request: pytest.FixtureRequest) -> Iterator[Config]:
    """The configuration of the process, on the test's own server when the test uses one."""
    fresh = Config()
    if "redis" in request.fixturenames:
        fresh.redis_url = request.getfixturevalue("redis_url")
    before = configuration.replace_default(fresh)
    names = registry.snapshot()
    yield fresh
    registry.restore(names)
    configuration.replace_default(before)


def queued(redis: Redis, queue: str = "low") -> list[dict[str, Any]]:
    return [json.loads(each) for each in reversed(redis.lrange(f"queue:{queue}", 0, -1))]


def scheduled(redis: Redis) -> list[tuple[dict[str, Any], float]]:
    return [(json.loads(each), score) for each, score in redis.zrange("schedule", 0, -1, withscores=True)]


@pytest.mark.both_servers
def test_perform_async_writes_what_sidekiq_writes(redis: Redis) -> None:
    jid = Hard.perform_async("bob", count=5)
    assert jid is not None
    assert JID.fullmatch(jid)
    [raw] = redis.lrange("queue:low", 0, -1)
    payload = json.loads(raw)
    assert list(payload) == ["retry", "queue", "args", "class", "jid", "created_at", "enqueued_at"]
    now = time.time() * 1000
    assert type(payload["created_at"]) is int
    assert abs(payload.pop("created_at") - now) < 60_000
    assert abs(payload.pop("enqueued_at") - now) < 60_000
    assert payload == {"retry": 5, "queue": "low", "args": ["bob", 5], "class": "app.Hard", "jid": jid}
    assert redis.smembers("queues") == {b"low"}


def test_set_and_function_workers(redis: Redis) -> None:
    @fastkiq.job(queue="mail", name="send")
    def send(to: str) -> None: ...

    Hard.set(queue="other", retry=False, tags=["x"]).perform_async("bob")
    send.perform_async("ann")
    send.set(queue="other").perform_async("eve")
    first, second = queued(redis, "other")
    assert (first["retry"], first["queue"], first["tags"], first["class"]) == (False, "other", ["x"], "app.Hard")
    assert (second["class"], second["args"]) == ("send", ["eve"])
    assert queued(redis, "mail")[0]["args"] == ["ann"]


@pytest.mark.parametrize("delay", [3600, 3600.5, timedelta(hours=1)])
def test_perform_in(delay: Any, redis: Redis) -> None:
    before = time.time()
    jid = Hard.perform_in(delay, "bob")
    [(payload, score)] = scheduled(redis)
    seconds = delay.total_seconds() if isinstance(delay, timedelta) else delay
    assert before + seconds - 1 <= score <= time.time() + seconds + 1
    assert payload["jid"] == jid
    assert "at" not in payload
    assert "enqueued_at" not in payload


def test_perform_at(redis: Redis) -> None:
    moment = datetime(2099, 1, 1, 12, tzinfo=UTC)
    Hard.perform_at(moment, "bob")
    Hard.perform_at(moment.timestamp() + 0.25, "ann", 2)
    assert [score for _, score in scheduled(redis)] == [moment.timestamp(), moment.timestamp() + 0.25]


def test_no_delay_and_the_past_mean_now(redis: Redis) -> None:
    Hard.perform_in(0, "a")
    Hard.perform_in(-5, "b")
    Hard.perform_in(timedelta(seconds=-1), "c")
    Hard.perform_at(0, "d")
    Hard.perform_at(datetime(2000, 1, 1, tzinfo=UTC), "e")
    assert [each["args"][0] for each in queued(redis)] == ["a", "b", "c", "d", "e"]
    assert not scheduled(redis)


@pytest.mark.parametrize("delay", [True, "5", None, float("nan"), float("inf"), 1e12])
def test_delays_that_are_refused(delay: Any) -> None:
    with pytest.raises(ArgumentError, match="delay"):
        Hard.perform_in(delay, "bob")


@pytest.mark.parametrize(
    ("when", "message"),
    [
        (datetime(2099, 1, 1), "has no time zone"),  # noqa: DTZ001
        (True, "not bool"),
        ("tomorrow", "not str"),
        (float("nan"), "out of range"),
        (1.8e12, "milliseconds"),
    ],
)
def test_times_that_are_refused(when: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        Hard.perform_at(when, "bob")
    with pytest.raises(ArgumentError, match=message):
        fastkiq.Client().push_bulk(Hard, [("bob",)], at=when if not isinstance(when, str) else [when])


def test_arguments_that_are_not_json_enqueue_nothing(redis: Redis) -> None:
    for value in ({"when": datetime.now(UTC)}, {1}, b"x", (1,), float("nan"), {"a": [object()]}, {1: 2}):
        with pytest.raises(ArgumentError, match=r"args\[0\]"):
            Nested.perform_async(value)
    assert redis.keys() == []


def test_perform_bulk_from_a_generator(redis: Redis) -> None:
    jids = Hard.perform_bulk((f"n{number}", number) for number in range(2_500))
    assert len(jids) == 2_500
    assert [each["args"] for each in queued(redis)] == [[f"n{number}", number] for number in range(2_500)]
    assert [each["jid"] for each in queued(redis)] == list(jids)
    assert not Hard.perform_bulk([])


def test_perform_bulk_at_one_time_or_one_each(redis: Redis) -> None:
    moment = datetime(2099, 1, 1, tzinfo=UTC)
    Hard.perform_bulk([["a"], ["b"]], at=moment)
    Hard.perform_bulk([["c"], ["d"]], at=iter([moment.timestamp() + 1, moment + timedelta(seconds=2)]))
    assert [(payload["args"], score - moment.timestamp()) for payload, score in scheduled(redis)] in (
        [(["a"], 0), (["b"], 0), (["c"], 1), (["d"], 2)],
        [(["b"], 0), (["a"], 0), (["c"], 1), (["d"], 2)],
    )


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((), r"Hard\.perform\(name: str, count: int = 1\).*: row 1: missing a required argument: 'name'"),
        (("a", 1, 2), "row 1: too many positional arguments"),
        ("ab", "row 1 must be a list or tuple of arguments, not str"),
        (5, "row 1 must be a list or tuple of arguments, not int"),
    ],
)
def test_a_bad_row_is_named(row: Any, message: str, redis: Redis) -> None:
    with pytest.raises(ArgumentError, match=message):
        Hard.perform_bulk([("a",), row])


def test_the_async_twins(redis: Redis) -> None:
    async def main() -> list[Any]:
        return [
            await Hard.aperform_async("a"),
            await Hard.aperform_in(-1, "b"),
            await Hard.aperform_at(0, "c", count=3),
            *await Hard.aperform_bulk([("d",)]),
            await Hard.set(queue="low").aperform_async("e"),
        ]

    jids = asyncio.run(main())
    assert [each["jid"] for each in queued(redis)] == jids
    assert [each["args"] for each in queued(redis)] == [["a"], ["b"], ["c", 3], ["d"], ["e"]]


def test_client_push_takes_workers_and_names(redis: Redis) -> None:
    here = Client()
    here.push(Hard, "a", queue="q")
    here.push("app.Hard", "b", 2, queue="q")
    here.push("HardJob", {"for": "ruby"}, queue="q", retry=2, tags=["t"])
    here.push("HardJob", in_=timedelta(days=1))
    here.push("HardJob", at=datetime(2099, 1, 1, tzinfo=UTC))
    assert len(here.push_bulk("HardJob", [[1], [2]], queue="q")) == 2
    assert [(each["class"], each["args"], each["retry"]) for each in queued(redis, "q")] == [
        ("app.Hard", ["a"], 5),
        ("app.Hard", ["b", 2], 5),
        ("HardJob", [{"for": "ruby"}], 2),
        ("HardJob", [1], True),
        ("HardJob", [2], True),
    ]
    assert len(scheduled(redis)) == 2


@pytest.mark.parametrize(
    ("push", "message"),
    [
        (lambda: Client().push("app.Hard"), "missing a required argument"),
        (lambda: Client().push("a b"), "cannot name a worker"),
        (lambda: Client().push(""), "cannot name a worker"),
        (lambda: Client().push(5), "a Worker or its name is wanted"),
        (lambda: Client().push(object), "a Worker or its name is wanted"),
        (lambda: Client().push("X", in_=1, at=2), "exclude each other"),
        (lambda: Client().push("X", qeue="low"), r"X\.set: unknown option 'qeue'; did you mean 'queue'"),
        (lambda: Client().push("X", queue=""), "queue must be"),
    ],
)
def test_pushes_that_are_refused(push: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        push()


def tag(worker: Any, payload: dict[str, Any]) -> Generator[None, Any, None]:
    assert JID.fullmatch(payload["jid"])
    payload["tenant"] = 7
    if payload["args"][0] == "move":
        payload["queue"] = "moved"
    if payload["args"][0] != "stop":
        yield


def test_client_middleware_changes_moves_and_stops(config: Config, redis: Redis) -> None:
    seen: list[Any] = []

    def see(worker: Any, payload: dict[str, Any]) -> Generator[None, Any, None]:
        seen.append(worker)
        yield

    config.client_middleware.add(tag)
    config.client_middleware.prepend(see)
    jid = Hard.perform_async("a")
    Hard.perform_async("move")
    assert Hard.perform_async("stop") is None
    Hard.perform_in(3600, "later")
    Client().push("Ruby", "x", queue="low")
    jids = Hard.perform_bulk([("b",), ("stop",), ("c",)])
    assert len(jids) == 2
    assert [each["args"][0] for each in queued(redis)] == ["a", "x", "b", "c"]
    first = queued(redis)[0]
    assert list(first) == ["retry", "queue", "args", "class", "jid", "created_at", "tenant", "enqueued_at"]
    assert (first["jid"], first["tenant"]) == (jid, 7)
    assert [each["queue"] for each in queued(redis, "moved")] == ["moved"]
    [(later, score)] = scheduled(redis)
    assert "at" not in later
    assert abs(score - time.time() - 3600) < 60
    assert seen == [Hard, Hard, Hard, Hard, "Ruby", Hard, Hard, Hard]


def test_client_middleware_gets_the_times_of_a_bulk_push(config: Config, redis: Redis) -> None:
    config.client_middleware.add(tag)
    Hard.perform_bulk([("a",), ("b",)], at=[4e9, 4e9 + 1])
    assert [score for _, score in scheduled(redis)] == [4e9, 4e9 + 1]
    with pytest.raises(ArgumentError, match="fewer times"):
        Hard.perform_bulk([("a",), ("b",)], at=[4e9])


def test_middleware_may_choose_another_time(config: Config, redis: Redis) -> None:
    def later(worker: Any, payload: dict[str, Any]) -> Generator[None, Any, None]:
        if payload["args"][0] == "now":
            del payload["at"]
        else:
            payload["at"] = 4e9
        yield

    config.client_middleware.add(later)
    Hard.perform_in(60, "now")
    Hard.perform_in(60, "later")
    assert [each["args"] for each in queued(redis)] == [["now"]]
    assert [score for _, score in scheduled(redis)] == [4e9]


def test_a_middleware_that_breaks_the_queue_is_found_out(config: Config) -> None:
    def broken(worker: Any, payload: dict[str, Any]) -> Generator[None, Any, None]:
        payload["queue"] = ""
        yield

    config.client_middleware.add(broken)
    with pytest.raises(ArgumentError, match=r"app\.Hard with the queue ''"):
        Hard.perform_async("a")


def test_perform_inline_goes_through_middleware_and_json(config: Config) -> None:
    log: list[str] = []

    def server(worker: Any, job: fastkiq.Job) -> Generator[None, Any, None]:
        log.append(f"{type(worker).__name__} {job.payload['tenant']} {fastkiq.current_job() is job}")
        yield

    name, count, jid, queue = Hard.perform_inline("bob")
    assert (name, count, queue) == ("bob", 1, "low")
    assert JID.fullmatch(jid)
    value = [1, {"a": None}]
    assert Nested.perform_inline(value) == value
    assert Nested.perform_inline(value) is not value
    with pytest.raises(ArgumentError, match="tuple"):
        Nested.perform_inline((1,))
    config.client_middleware.add(tag)
    config.server_middleware.add(server)
    assert Hard.perform_inline("stop") is None
    assert Hard.perform_inline("bob", 2)[:2] == ["bob", 2]
    assert log == ["Hard 7 True"]
    with pytest.raises(ValueError, match="of the job"):
        Nested.perform_inline("raise")
    assert fastkiq.current_job() is None


def test_perform_inline_keeps_the_arguments_of_middleware_apart(config: Config) -> None:
    def clears(worker: Any, job: fastkiq.Job) -> Generator[None, Any, None]:
        job.args.clear()
        yield

    config.server_middleware.add(clears)
    assert Nested.perform_inline([1]) == [1], "as in a worker process"


def test_perform_inline_of_an_async_job(config: Config) -> None:
    assert Async.perform_inline(1) == [1, True]

    async def main() -> list[Any]:
        with pytest.raises(fastkiq.FastkiqError, match=r"await Async\.aperform_inline"):
            Async.perform_inline(1)
        return [await Async.aperform_inline(2), await Hard.aperform_inline("bob")]

    log: list[str] = []

    def server(worker: Any, job: fastkiq.Job) -> Generator[None, Any, None]:
        log.append("in")
        yield
        log.append("out")

    config.server_middleware.add(server)
    [first, second] = asyncio.run(main())
    assert first == [2, True]
    assert second[:2] == ["bob", 1]
    assert log == ["in", "out", "in", "out"]


def test_the_default_client_follows_the_settings_that_concern_it(config: Config) -> None:
    first = client.default()
    assert client.default() is first
    fastkiq.configure(concurrency=3)
    assert client.default() is first
    fastkiq.configure(redis_url="redis://localhost:1")
    assert client.default() is not first
    mine = Client()
    assert client.replace_default(mine) is None
    assert client.default() is mine
    assert client.replace_default(None) is mine


def test_another_url_for_one_client(redis: Redis, redis_url: str, config: Config) -> None:
    config.redis_url = "redis://localhost:1"
    here = Client(redis_url)
    here.push(Hard, "a")
    here.close()
    here.push(Hard, "b")
    assert len(queued(redis)) == 2
    with pytest.raises(fastkiq.ConfigError, match="Client: redis_url"):
        Client("http://x")


def test_a_push_to_nowhere_is_a_connection_error(config: Config) -> None:
    config.redis_url = "redis://127.0.0.1:1"
    with pytest.raises(fastkiq.RedisConnectionError):
        Hard.perform_async("a")


def test_the_largest_payload_is_a_setting(config: Config, redis: Redis) -> None:
    config.max_payload_bytes = 2_000
    Nested.perform_async("x" * 1_000)
    for _ in range(2):
        with pytest.raises(ArgumentError, match=r"2,?000"):
            Nested.perform_async("x" * 2_000)
        config.client_middleware.add(tag)


def test_a_large_payload_warns(redis: Redis) -> None:
    with pytest.warns(UserWarning, match="pass an id or a path"):
        Nested.perform_async("x" * 200_000)


def test_what_waits_in_the_outage_buffer_is_sent_when_redis_is_back(start_server: Any, config: Config) -> None:
    server = start_server()
    config.update({"redis_url": server.url, "outage_buffer": 10}, source="test")
    server.stop()
    assert Hard.perform_async("during") is not None
    assert client.default().buffered == 1
    server.start()
    assert client.default().flush_buffer() == 1
    with server.client() as redis:
        assert [each["args"][0] for each in queued(redis)] == ["during"]


def test_what_waits_in_the_outage_buffer_is_sent_at_exit(redis: Redis, redis_url: str) -> None:
    script = """if True:
        import sys, fastkiq
        fastkiq.configure(redis_url="redis://127.0.0.1:1", outage_buffer=2)
        import fastkiq.client
        here = fastkiq.client.default()
        print(len(here.push("A")), len(here.push("B")), here.buffered)
        try:
            here.push("C")
        except fastkiq.BufferFull:
            print("full")
    """
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout.split() == ["24", "24", "2", "full"]
    assert "2 jobs" in done.stderr  # they are lost with the process, and it says so


def test_a_forked_child_enqueues_on_connections_of_its_own(redis: Redis, redis_url: str) -> None:
    script = f"""if True:
        import os, fastkiq
        here = fastkiq.Client({redis_url!r})
        here.push("Parent", queue="low")
        child = os.fork()
        if child == 0:
            try:
                here.push("Child", queue="low")
                os._exit(0)
            except BaseException:
                os._exit(1)
        assert os.waitpid(child, 0)[1] == 0
        here.push("ParentAgain", queue="low")
    """
    subprocess.run([sys.executable, "-c", script], timeout=30, check=True)
    assert [each["class"] for each in queued(redis)] == ["Parent", "Child", "ParentAgain"]


def test_the_embedded_server_is_started_by_name_and_anew_when_it_has_gone(
    config: Config, redis: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls = iter([redis_url, "redis://127.0.0.1:1", redis_url])
    monkeypatch.setattr("fastkiq.embedded.ensure", lambda **_: next(urls))
    config.redis_url = "embedded"
    Hard.perform_async("a")
    client.default().close()
    Hard.perform_async("b")  # meets a server that has just gone
    assert len(queued(redis)) == 2
    assert next(urls, None) is None
