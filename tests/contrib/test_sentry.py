"""Errors of jobs reach Sentry once, with what is known of the job, and traces go on from the enqueue to the run."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sentry_sdk
from redis import Redis

import fastkiq
from children import Child
from fastkiq import Config
from fastkiq.contrib.sentry import FastkiqIntegration
from sentry_server import Sentry, listening
from servers import wait_until

APP = """
import asyncio, os
import fastkiq, sentry_sdk
from fastkiq.contrib.sentry import FastkiqIntegration

options = eval(os.environ.get("OPTIONS", "{}"))
more = eval(os.environ.get("MORE", "{}"))
sentry_sdk.init(os.environ["DSN"], traces_sample_rate=1.0, integrations=[FastkiqIntegration(**options)], **more)

class Fails(fastkiq.Worker, retry=1):
    def perform(self, secret):
        sentry_sdk.add_breadcrumb(message=f"on the way to {secret}")
        sentry_sdk.set_tag("own", secret)
        raise ValueError("broken")

class AsyncFails(fastkiq.Worker, retry=False):
    async def perform(self, name):
        sentry_sdk.set_tag("own", name)
        await asyncio.sleep(0.1)
        raise ValueError(f"broken {name}")

class Steers(fastkiq.Worker, retry=False):
    def perform(self, how):
        if how == "cause":
            raise fastkiq.Kill() from KeyError("the cause")
        raise {"retry": fastkiq.Retry(in_=60), "kill": fastkiq.Kill(), "discard": fastkiq.Discard(),
               "snooze": fastkiq.Snooze(in_=60)}[how]

class Fine(fastkiq.Worker):
    def perform(self):
        sentry_sdk.capture_message("all is well")
        Fine2.perform_async()

class Fine2(fastkiq.Worker):
    async def perform(self):
        print("FINE", flush=True)
"""


@pytest.fixture
def sentry() -> Iterator[Sentry]:
    with listening() as server:
        yield server


@pytest.fixture
def worker(worker_process: Callable[..., Child], sentry: Sentry) -> Callable[..., Child]:
    def start(options: dict[str, Any] | None = None, more: dict[str, Any] | None = None) -> Child:
        return worker_process(APP, env={"DSN": sentry.dsn, "OPTIONS": repr(options or {}), "MORE": repr(more or {})})

    return start


@pytest.fixture
def here(sentry: Sentry, config: Config) -> Iterator[Sentry]:
    """The SDK in this process, as in a web application that enqueues."""
    sentry_sdk.init(sentry.dsn, traces_sample_rate=1.0, integrations=[FastkiqIntegration()])
    FastkiqIntegration.attach(config)  # `init` attaches to the configuration of its first call only
    yield sentry
    closed()


def closed() -> None:
    """The SDK of this process is as if it had never been set up."""
    sentry_sdk.flush()
    sentry_sdk.get_client().close()
    sentry_sdk.get_global_scope().set_client(None)


def push(name: str, *args: Any, retry: Any = False) -> str:
    jid = fastkiq.Client().push(f"app.{name}", *args, retry=retry)
    assert jid is not None
    return jid


def run_again(redis: Redis) -> None:
    """What waits in retry, now: the jitter is up to 10 s."""
    entry = wait_until(lambda: redis.zrange("retry", 0, 0), 15, "the retry")[0]
    redis.zrem("retry", entry)
    redis.lpush("queue:default", entry)


def values(event: dict[str, Any]) -> list[tuple[str, str]]:
    return [(each["type"], each["value"]) for each in event["exception"]["values"]]


def test_each_failure_is_one_event_in_the_scope_of_its_run(
    worker: Callable[..., Child], sentry: Sentry, redis: Redis
) -> None:
    jid = push("Fails", "hush", retry=1)
    child = worker()
    run_again(redis)
    child.wait_for("dead set")
    assert child.stop() == 0
    first, second = sorted(sentry.all("event"), key=lambda event: int(event["tags"]["attempt"]))
    assert values(first) == values(second) == [("ValueError", "broken")]
    assert [int(event["tags"]["attempt"]) for event in (first, second)] == [1, 2]
    assert first["tags"]["jid"] == jid
    assert {first["tags"][name] for name in ("class", "queue", "own")} == {"app.Fails", "default", "hush"}
    assert first["transaction"] == "app.Fails"
    assert first["contexts"]["fastkiq"]["args"] == "[Filtered]"
    assert first["exception"]["values"][0]["mechanism"]["type"] == "fastkiq"
    assert first["exception"]["values"][0]["mechanism"]["handled"] is False
    crumbs = [crumb["message"] for crumb in second["breadcrumbs"]["values"]]
    assert crumbs.count("on the way to hush") == 1, "the first run's are not in there"
    transactions = sorted(sentry.all("transaction"), key=lambda each: int(each["tags"]["attempt"]))
    assert [each["contexts"]["trace"]["op"] for each in transactions] == ["queue.process"] * 2
    assert {each["contexts"]["trace"]["status"] for each in transactions} == {"internal_error"}
    assert [each["contexts"]["trace"]["span_id"] for each in transactions] == [
        event["contexts"]["trace"]["span_id"] for event in (first, second)
    ]
    data = transactions[1]["contexts"]["trace"]["data"]
    assert data["messaging.message.id"] == jid
    assert data["messaging.destination.name"] == "default"
    assert data["messaging.message.retry.count"] == 1
    assert data["messaging.message.receive.latency"] >= 0
    assert data["messaging.message.body.size"] > 100


def test_only_the_last_failure_if_asked(worker: Callable[..., Child], sentry: Sentry, redis: Redis) -> None:
    push("Fails", "hush", retry=1)
    child = worker({"report": "last"}, {"send_default_pii": True})
    run_again(redis)
    child.wait_for("dead set")
    push("Steers", "discard")
    child.wait_for("discarded by itself")
    assert child.stop() == 0
    [event] = sentry.all("event")
    assert str(event["tags"]["attempt"]) == "2"
    assert event["tags"]["own"] == "hush"
    assert event["contexts"]["fastkiq"]["args"] == ["hush"]


def test_coroutines_do_not_mix_their_scopes(worker: Callable[..., Child], sentry: Sentry) -> None:
    jids = {push("AsyncFails", name): name for name in ("a", "b", "c", "d")}
    child = worker()
    child.wait_for(lambda output: output.count("not retried") == 4)
    assert child.stop() == 0
    events = sentry.all("event")
    assert len(events) == 4
    for event in events:
        name = jids[event["tags"]["jid"]]
        assert event["tags"]["own"] == name
        assert values(event) == [("ValueError", f"broken {name}")]


def test_what_jobs_raise_to_steer_themselves_is_no_error(worker: Callable[..., Child], sentry: Sentry) -> None:
    for how in ("retry", "kill", "discard", "snooze", "cause"):
        push("Steers", how, retry=5)
    child = worker()
    for line in ("retry 1 of 5", "KeyError", "discarded by itself", "snoozed"):
        child.wait_for(line)
    assert child.stop() == 0
    [event] = sentry.all("event")
    assert values(event)[0] == ("KeyError", "'the cause'")
    assert len(sentry.all("transaction")) == 5
    statuses = [each["contexts"]["trace"].get("status") for each in sentry.all("transaction")]
    assert sorted(statuses) == ["internal_error", "ok", "ok", "ok", "ok"]


def test_unless_that_is_asked_for(worker: Callable[..., Child], sentry: Sentry) -> None:
    push("Steers", "snooze")
    child = worker({"control": True})
    child.wait_for("snoozed")
    assert child.stop() == 0
    [event] = sentry.all("event")
    assert event["exception"]["values"][0]["type"] == "Snooze"
    assert event["tags"]["class"] == "app.Steers"


def test_a_trace_goes_on_from_the_request_through_two_jobs(
    worker: Callable[..., Child], here: Sentry, redis: Redis
) -> None:
    with sentry_sdk.start_transaction(op="http.server", name="/join") as request:
        jid = push("Fine")
    [stored] = redis.lrange("queue:default", 0, -1)
    headers = json.loads(stored)["trace_propagation_headers"]
    assert headers["sentry-trace"].startswith(request.trace_id)
    assert "sentry-trace_id" in headers["baggage"]
    child = worker()
    child.wait_for("FINE")
    assert child.stop() == 0
    sentry_sdk.flush()
    wait_until(lambda: len(here.all("transaction")) == 3, 10, "the transactions")
    by_name = {each["transaction"]: each for each in here.all("transaction")}
    assert {each["contexts"]["trace"]["trace_id"] for each in by_name.values()} == {request.trace_id}
    for outer, name in (("/join", "app.Fine"), ("app.Fine", "app.Fine2")):
        # Beside it there may be the SDK's own request, of a thread that it has started in the job.
        [span] = [each for each in by_name[outer]["spans"] if each["op"] == "queue.publish"]
        assert (span["op"], span["description"], span["origin"]) == ("queue.publish", name, "auto.queue.fastkiq")
        assert by_name[name]["contexts"]["trace"]["parent_span_id"] == span["span_id"]
    assert by_name["/join"]["spans"][0]["data"]["messaging.message.id"] == jid
    assert by_name["/join"]["spans"][0]["data"]["messaging.destination.name"] == "default"
    [message] = here.all("event")
    assert message["contexts"]["trace"]["trace_id"] == request.trace_id


def test_bulk_is_one_span_and_without_a_transaction_there_is_none(here: Sentry, redis: Redis) -> None:
    with sentry_sdk.start_transaction(name="bulk"):
        fastkiq.Client().push_bulk("app.Fine", [()] * 1_500)
    assert all(b"trace_propagation_headers" in each for each in redis.lrange("queue:default", 0, -1))
    fastkiq.Client().push_bulk("app.Fine", [], queue="none")
    push("Fine")
    sentry_sdk.flush()
    wait_until(lambda: here.all("transaction"), 10, "the transaction")
    [transaction] = here.all("transaction")
    [span] = transaction["spans"]
    assert span["data"]["messaging.batch.message_count"] == 1_500


def test_inline_is_a_span_of_the_caller_and_its_error_the_callers(here: Sentry) -> None:
    class Inline(fastkiq.Worker):
        def perform(self) -> None:
            raise ValueError("inline")

    with sentry_sdk.start_transaction(name="caller"), pytest.raises(ValueError, match="inline"):
        Inline.perform_inline()
    sentry_sdk.flush()
    wait_until(lambda: here.all("transaction"), 10, "the transaction")
    [transaction] = here.all("transaction")
    assert [span["op"] for span in transaction["spans"]] == ["queue.process"]
    assert here.all("event") == []


def test_recurring_jobs_check_in(worker_process: Callable[..., Child], sentry: Sentry) -> None:
    client = fastkiq.Client()

    def recurring(worker: Any, payload: dict[str, Any]) -> Iterator[None]:
        payload["cron"] = {"name": "Nightly: Clean-up!", "tick": 1_700_000_000_000}
        yield

    client.config.client_middleware.add(recurring)
    client.push("app.Fine")
    client.push("app.Fails", "x", retry=False)
    client.config.client_middleware.clear()
    child = worker_process(APP, env={"DSN": sentry.dsn, "OPTIONS": "{'crons': True}"})
    child.wait_for("FINE")
    child.wait_for("not retried")
    assert child.stop() == 0
    ids = {each["check_in_id"] for each in sentry.all("check_in")}
    assert len(ids) == 2
    assert {each["monitor_slug"] for each in sentry.all("check_in")} == {"nightly-clean-up"}
    assert sorted(each["status"] for each in sentry.all("check_in")) == ["error", "in_progress", "in_progress", "ok"]


RUBYS_TRACE, RUBYS_SPAN = "069fa149909145649c591f75b17dc149", "0e8f6fd35bca499f"
RUBYS: dict[str, Any] = {
    "retry": False,
    "queue": "default",
    "class": "app.Fails",
    "args": ["x"],
    "jid": "68b1b69162203b6ba73ebffa",
    "created_at": 1_795_776_751_102,
    "sentry_user": {"id": 7, "email": "ann@example.org"},
    "trace_propagation_headers": {
        "sentry-trace": f"{RUBYS_TRACE}-{RUBYS_SPAN}-1",
        "baggage": f"sentry-trace_id={RUBYS_TRACE},sentry-sample_rate=1.0,sentry-sample_rand=0.120432,"
        "sentry-sampled=true,sentry-environment=development,sentry-public_key=key,"
        "sentry-transaction=OrdersController%23create",
    },
    "enqueued_at": 1_795_776_751_102,
}
"""What sentry-sidekiq 6.6.2 has left in Redis."""


def test_a_job_of_sentrys_ruby_integration(worker: Callable[..., Child], sentry: Sentry, redis: Redis) -> None:
    redis.lpush("queue:default", json.dumps(RUBYS))
    child = worker()
    child.wait_for("not retried")
    assert child.stop() == 0
    [transaction], [event] = sentry.all("transaction"), sentry.all("event")
    for told in (transaction, event):
        assert told["contexts"]["trace"]["trace_id"] == RUBYS_TRACE
        assert told["user"] == {"id": 7, "email": "ann@example.org"}
    assert transaction["contexts"]["trace"]["parent_span_id"] == RUBYS_SPAN


def test_what_it_writes_is_what_rubys_reads(here: Sentry, redis: Redis) -> None:
    """By sentry-ruby's own expression; it takes a hash with these two names."""
    with sentry_sdk.start_transaction(op="http.server", name="/join") as request:
        sentry_sdk.set_user({"id": 7})
        push("Fine")
    payload = json.loads(redis.lrange("queue:default", 0, -1)[0])
    headers = payload["trace_propagation_headers"]
    assert headers.keys() == {"sentry-trace", "baggage"}
    found = re.fullmatch(r"([0-9a-f]{32})?-?([0-9a-f]{16})?-?([01])?", headers["sentry-trace"])
    assert found is not None
    assert (found[1], found[3]) == (request.trace_id, "1")
    assert f"sentry-trace_id={request.trace_id}" in headers["baggage"].split(",")
    assert "sentry_user" not in payload


def test_hostile_headers_and_streamed_spans(worker: Callable[..., Child], sentry: Sentry, redis: Redis) -> None:
    for headers in ("text", {"sentry-trace": 5, "baggage": ["x"]}, {"sentry-trace": "x" * 9_999, "baggage": "=;,"}):
        payload = {"class": "app.Fine", "args": [], "jid": "a" * 24, "queue": "default", "retry": False}
        payload["sentry_user"] = headers
        redis.lpush("queue:default", json.dumps({**payload, "trace_propagation_headers": headers}))
    child = worker(None, {"trace_lifecycle": "stream"})
    child.wait_for(lambda output: output.count("FINE") == 3)
    push("Fails", "x")
    child.wait_for("not retried")
    assert child.stop() == 0
    assert [event["tags"]["jid"] for event in sentry.all("event") if "exception" in event]


@pytest.mark.parametrize("report", ["every", "last"])
def test_a_job_that_kills_its_process_is_one_event(sentry: Sentry, config: Config, report: Any) -> None:
    from fastkiq.reporter import Reporter

    sentry_sdk.init(sentry.dsn, integrations=[FastkiqIntegration(report=report)])
    FastkiqIntegration.attach(config)
    server: Any = None
    raw = b'{"class":"app.Deadly","args":[],"jid":"aaaaaaaaaaaaaaaaaaaaaaaa","queue":"default"}'
    Reporter(config, server)._poison("app.Deadly", "a" * 24, raw)
    closed()
    wait_until(lambda: sentry.all("event"), 10, "the event")
    [event] = sentry.all("event")
    assert event["exception"]["values"][0]["type"] == "PoisonPill"
    assert event["tags"]["class"] == "app.Deadly"


def test_without_the_integration_nothing_happens(config: Config, redis: Redis) -> None:
    FastkiqIntegration.attach(config)
    FastkiqIntegration.attach(config)
    assert (len(config.server_middleware), len(config.error_handlers), len(config.death_handlers)) == (1, 1, 1)
    push("Fine")
    assert b"trace" not in redis.lrange("queue:default", 0, -1)[0]
    with pytest.raises(fastkiq.ConfigError, match='"every" or "last"'):
        FastkiqIntegration(report="some")  # type: ignore[arg-type]
