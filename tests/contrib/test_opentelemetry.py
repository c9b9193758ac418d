"""Spans and metrics by the conventions for messaging, and traces that go on from the enqueue to the run."""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from redis import Redis

import fastkiq
from children import Child
from fastkiq import Config, outlets
from fastkiq.contrib.opentelemetry import instrument, uninstrument

APP = """
import asyncio
import fastkiq
from fastkiq.contrib.opentelemetry import instrument
from opentelemetry import baggage, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

provider = TracerProvider()
exporter = ConsoleSpanExporter(formatter=lambda span: "SPAN " + span.to_json(indent=None) + chr(10))
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
instrument()

class First(fastkiq.Worker):
    def perform(self):
        Second.perform_async()

class Second(fastkiq.Worker):
    async def perform(self):
        with trace.get_tracer("own").start_as_current_span("inside"):
            await asyncio.sleep(0.05)
        print("TENANT", baggage.get_baggage("tenant"), flush=True)

class Fails(fastkiq.Worker, retry=False):
    async def perform(self):
        await asyncio.sleep(0.01)
        raise ValueError("broken")
"""


class Telemetry:
    """The real SDK, with exporters in memory."""

    def __init__(self, **options: Any) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracers = TracerProvider(shutdown_on_exit=False)
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader], shutdown_on_exit=False)
        instrument(tracer_provider=self.tracers, meter_provider=self.meters, **options)

    @property
    def tracer(self) -> trace.Tracer:
        return self.tracers.get_tracer("test")

    def spans(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    def points(self, name: str) -> list[Any]:
        """The measurements of one instrument."""
        data = self.reader.get_metrics_data()
        assert data is not None
        [scope] = data.resource_metrics[0].scope_metrics
        [metric] = [metric for metric in scope.metrics if metric.name == name]
        return list(metric.data.data_points)


@pytest.fixture
def telemetry(config: Config) -> Iterator[Callable[..., Telemetry]]:
    yield Telemetry
    uninstrument()


def push(name: str, *args: Any, **options: Any) -> str:
    jid = fastkiq.Client().push(f"app.{name}", *args, **options)
    assert jid is not None
    return jid


def test_a_push_is_a_producer_span_whose_context_travels(telemetry: Callable[..., Telemetry], redis: Redis) -> None:
    seen = telemetry()
    with seen.tracer.start_as_current_span("request") as request:
        token = context.attach(baggage.set_baggage("tenant", "acme"))
        jid = push("First", queue="mail")
        context.detach(token)
    [stored] = redis.lrange("queue:mail", 0, -1)
    payload = json.loads(stored)
    sent, _ = seen.spans()
    assert sent.name == "send mail"
    assert sent.kind is SpanKind.PRODUCER
    assert sent.parent is not None
    assert sent.parent.span_id == request.get_span_context().span_id
    assert payload["traceparent"].startswith(f"00-{sent.context.trace_id:032x}-{sent.context.span_id:016x}-0")
    assert payload["baggage"] == "tenant=acme"
    assert sent.attributes == {
        "messaging.system": "sidekiq",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.destination.name": "mail",
        "messaging.sidekiq.job_class": "app.First",
        "messaging.message.id": jid,
    }
    [point] = seen.points("messaging.client.sent.messages")
    assert point.value == 1
    [point] = seen.points("messaging.client.operation.duration")
    assert (point.count, point.attributes["messaging.destination.name"]) == (1, "mail")
    assert 0 < point.sum < 5


def test_a_bulk_push_is_one_span(telemetry: Callable[..., Telemetry], redis: Redis) -> None:
    seen = telemetry()
    fastkiq.Client().push_bulk("app.First", ([] for _ in range(1_500)))
    fastkiq.Client().push_bulk("app.First", [])
    [span] = seen.spans()
    assert span.attributes is not None
    assert span.attributes["messaging.batch.message_count"] == 1_500
    assert "messaging.message.id" not in span.attributes
    parents = {json.loads(each)["traceparent"][:52] for each in redis.lrange("queue:default", 0, -1)}
    assert parents == {f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}"}
    assert seen.points("messaging.client.sent.messages")[0].value == 1_500


def test_a_push_that_fails(telemetry: Callable[..., Telemetry], config: Config) -> None:
    seen = telemetry()
    config.redis_url = "redis://127.0.0.1:1/0"
    with pytest.raises(fastkiq.RedisConnectionError):
        push("First")
    [span] = seen.spans()
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes is not None
    assert span.attributes["error.type"] == "fastkiq.errors.RedisConnectionError"
    assert [event.name for event in span.events] == ["exception"]
    [point] = seen.points("messaging.client.operation.duration")
    assert point.attributes["error.type"] == "fastkiq.errors.RedisConnectionError"


def test_one_trace_through_two_processes_and_two_jobs(
    telemetry: Callable[..., Telemetry], worker_process: Callable[..., Child]
) -> None:
    seen = telemetry()
    with seen.tracer.start_as_current_span("request") as request:
        token = context.attach(baggage.set_baggage("tenant", "acme"))
        jid = push("First")
        context.detach(token)
        push("Fails", retry=False)
    child = worker_process(APP)
    child.wait_for("TENANT acme")
    child.wait_for("not retried")
    child.wait_for(lambda output: output.count("SPAN ") == 5)
    assert child.stop() == 0
    lines = [line.removeprefix("SPAN ") for line in child.output().splitlines() if line.startswith("SPAN ")]
    spans = [json.loads(line) for line in lines]
    by_class = {(span["name"], span["attributes"].get("messaging.sidekiq.job_class")): span for span in spans}
    first, second = by_class["process default", "app.First"], by_class["process default", "app.Second"]
    sent, failed = by_class["send default", "app.Second"], by_class["process default", "app.Fails"]
    ours = {span.context.span_id for span in seen.spans()}
    assert int(first["parent_id"], 16) in ours
    assert sent["parent_id"] == first["context"]["span_id"]
    assert second["parent_id"] == sent["context"]["span_id"]
    assert by_class["inside", None]["parent_id"] == second["context"]["span_id"]
    assert {int(span["context"]["trace_id"], 16) for span in spans} == {request.get_span_context().trace_id}
    assert first["kind"] == "SpanKind.CONSUMER"
    assert first["attributes"]["messaging.message.id"] == jid
    assert first["attributes"]["fastkiq.job.attempt"] == 1
    assert first["attributes"]["fastkiq.job.latency"] >= 0
    assert first["status"]["status_code"] == "UNSET"
    assert failed["status"] == {"status_code": "ERROR", "description": "ValueError"}
    assert failed["attributes"]["error.type"] == "ValueError"
    [event] = failed["events"]
    assert (event["name"], event["attributes"]["exception.message"]) == ("exception", "broken")


class Fine(fastkiq.Worker):
    def perform(self, how: str = "") -> None:
        if how == "cause":
            raise fastkiq.Retry() from KeyError("cause")
        if how == "text":
            raise Untold
        if how:
            raise {"snooze": fastkiq.Snooze(in_=1), "error": ValueError(how)}[how]


class Untold(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even that")


def test_what_a_run_counts_as(telemetry: Callable[..., Telemetry]) -> None:
    seen = telemetry()
    for how in ("", "snooze", "cause", "error", "text"):
        with suppress(ValueError, Untold, fastkiq.Retry, fastkiq.Snooze):
            Fine.perform_inline(how)
    spans = seen.spans()
    assert [span.status.status_code.name for span in spans] == ["UNSET", "UNSET", "ERROR", "ERROR", "ERROR"]
    assert [(span.attributes or {}).get("error.type") for span in spans[:4]] == [None, None, "KeyError", "ValueError"]
    assert (spans[1].attributes or {})["fastkiq.job.steered"] == "Snooze"
    assert sum(point.value for point in seen.points("messaging.client.consumed.messages")) == 5
    durations = {point.attributes.get("error.type"): point.count for point in seen.points("messaging.process.duration")}
    assert durations[None] == 2
    assert durations["ValueError"] == 1
    assert trace.get_current_span() is trace.INVALID_SPAN, "nothing is left behind"


def test_an_inline_job_is_a_child_of_its_caller(telemetry: Callable[..., Telemetry]) -> None:
    seen = telemetry()
    with seen.tracer.start_as_current_span("caller") as caller:
        Fine.perform_inline()
    parent = seen.spans()[0].parent
    assert parent is not None
    assert parent.span_id == caller.get_span_context().span_id


RUBYS = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize("wrapped", [False, True], ids=["worker", "active_job"])
@pytest.mark.parametrize("link", [False, True])
def test_a_job_of_rubys_instrumentation(
    telemetry: Callable[..., Telemetry], config: Config, link: bool, wrapped: bool
) -> None:
    """opentelemetry-instrumentation-sidekiq (0.29) injects into the job hash itself. Active Job's argument has an outer
    context, where opentelemetry-instrumentation-active_job is used, too."""
    seen = telemetry(link=link)
    more: dict[str, Any] = {"retry": True, "traceparent": RUBYS, "tracestate": "vendor=a", "baggage": "tenant=acme"}
    if wrapped:
        outer = [["traceparent", RUBYS.replace("b7ad6b", "000000")]]
        argument = {"job_class": "Fine", "job_id": "1", "arguments": [], "__otel_headers": outer}
        more |= {"class": "Sidekiq::ActiveJob::Wrapper", "wrapped": "Fine", "args": [argument]}
    run(config, more)
    [span] = seen.spans()
    state = span.links[0].context.trace_state if link else span.context.trace_state
    assert state.get("vendor") == "a"
    if link:
        assert span.parent is None
        assert [each.context.span_id for each in span.links] == [0xB7AD6B7169203331]
        assert span.context.trace_id != 0x0AF7651916CD43DD8448EB211C80319C
    else:
        assert span.parent is not None
        assert span.parent.span_id == 0xB7AD6B7169203331
        assert span.context.trace_id == 0x0AF7651916CD43DD8448EB211C80319C
        assert list(span.links) == []


@pytest.mark.parametrize(
    "hostile",
    [
        {"traceparent": 5, "tracestate": ["x"], "baggage": {"a": "b"}},
        {"traceparent": "00-zz-zz-01", "tracestate": "=" * 10_000, "baggage": ";=," * 5_000},
        {"traceparent": f"00-{'0' * 32}-{'0' * 16}-00"},
        {"traceparent": None},
    ],
)
def test_hostile_contexts_begin_a_trace(
    telemetry: Callable[..., Telemetry], config: Config, hostile: dict[str, Any]
) -> None:
    seen = telemetry()
    run(config, hostile)
    [span] = seen.spans()
    assert span.parent is None


def run(config: Config, more: dict[str, Any]) -> None:
    """A run through the middleware, as the processor does it."""
    from fastkiq import _core
    from fastkiq.job import Job

    payload = {"class": "contrib.Fine", "args": [], "jid": "a" * 24, "queue": "default", "created_at": 1, **more}
    instance = Fine()
    assert config.server_middleware.run is not None
    config.server_middleware.run(lambda: None, instance, Job.from_bytes(_core.encode(payload)))


def test_twice_is_once_and_uninstrument_takes_it_out(telemetry: Callable[..., Telemetry], config: Config) -> None:
    telemetry()
    telemetry()
    assert len(config.server_middleware) == 1
    assert len(outlets.present) == 1
    uninstrument()
    assert len(config.server_middleware) == 0
    assert outlets.present == ()
