"""What a recurring job may be: from class keywords, and as it is kept."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

import fastkiq
from fastkiq import registry
from fastkiq.cron.declared import declared, warnings
from fastkiq.cron.definition import MAX_BYTES, Definition, spoken


def made(**fields: Any) -> Definition:
    return Definition(**{"name": "n", "class_name": "A", "every": 60, **fields})


def test_a_class_declares_itself() -> None:
    class Report(
        fastkiq.Worker, cron="0 6 * * mon-fri", timezone="Europe/Berlin", missed="skip", queue="low", name="Report"
    ):
        """Mails the numbers.

        More."""

        def perform(self, day: str | None = None) -> None: ...

    [definition] = declared(fastkiq.Config())
    assert json.loads(definition.to_json()) == {
        "name": "Report",
        "class": "Report",
        "args": [],
        "queue": "low",
        "cron": "0 6 * * mon-fri",
        "timezone": "Europe/Berlin",
        "missed": "skip",
        "description": "Mails the numbers.",
        "enabled": True,
        "source": "code",
        "options": {"retry": True},
    }
    assert Definition.from_json(definition.to_json()) == definition


def test_a_function_declares_itself_and_subclasses_inherit_none_of_it() -> None:
    @fastkiq.job(every=timedelta(minutes=5), name="poll", retry=2)
    def poll() -> None: ...

    class Base(fastkiq.Worker, every=60, name="base", tags=["x"]):
        def perform(self) -> None: ...

    class Child(Base, name="child"):
        pass

    assert [(each.name, each.every, each.options) for each in declared(fastkiq.Config())] == [
        ("poll", 300, {"retry": 2}),
        ("base", 60, {"retry": True, "tags": ["x"]}),
    ]
    assert Child.__fastkiq__.recurring is None


@pytest.mark.parametrize(
    ("keywords", "said"),
    [
        ({"cron": "61 * * * *"}, r"cron '61 \* \* \* \*' is no cron expression"),
        ({"cron": "0 0 30 2 *"}, "never comes"),
        ({"cron": 5}, "cron must be an expression"),
        ({"cron": "@daily", "timezone": "Berlin"}, "timezone: there is no time zone"),
        ({"cron": "@daily", "timezone": 1}, "timezone must be an IANA name"),
        ({"cron": "@daily", "every": 60}, "exactly one of them"),
        ({"every": 0.5}, "every must be seconds from 1 to"),
        ({"every": float("nan")}, "every must be seconds"),
        ({"every": True}, "every must be seconds"),
        ({"every": "5m"}, "or a timedelta, not '5m'"),
        ({"every": timedelta(days=9_999)}, "every must be seconds"),
        ({"every": 60, "missed": "twice"}, 'missed must be "skip", "once" or "all"'),
        ({"timezone": "UTC"}, "timezone needs cron=... or every=..."),
        ({"missed": "all"}, "missed needs"),
    ],
)
def test_what_a_class_cannot_say(keywords: dict[str, Any], said: str) -> None:
    with pytest.raises(fastkiq.DefinitionError, match=rf"Odd: .*{said}"):
        type(
            "Odd",
            (fastkiq.Worker,),
            {"perform": lambda self: None},
            **keywords,
        )


def test_a_schedule_passes_no_arguments() -> None:
    with pytest.raises(fastkiq.DefinitionError, match=r"Needs\.perform\(to.*\) needs arguments.*defaults"):

        class Needs(fastkiq.Worker, cron="@daily"):
            def perform(self, to: str) -> None: ...

    with pytest.raises(fastkiq.DefinitionError, match=r"NeedsDay\.perform\(day.*\) needs arguments"):

        class NeedsDay(fastkiq.Worker, cron="@daily"):
            def perform(self, day: date) -> None: ...

    class Daily(fastkiq.Worker, cron="@daily", name="DailyOfADay"):
        def perform(self, day: date | None = None) -> None: ...

    assert Daily.__fastkiq__.recurring is not None
    with pytest.raises(fastkiq.DefinitionError, match="no perform"):

        class Abstract(fastkiq.Worker, cron="@daily"): ...


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": ""}, "name must be"),
        ({"name": "a\nb"}, "name must be"),
        ({"name": "x" * 201}, "name must be"),
        ({"class_name": "a b"}, "class must name"),
        ({"queue": "a b"}, "queue must be"),
        ({"args": "x"}, "args must be a list"),
        ({"args": [object()]}, "args"),
        ({"args": ["x" * MAX_BYTES]}, "args make it longer"),
        ({"every": None}, "exactly one of them says when, not none"),
        ({"at": 5}, "every and at"),
        ({"every": None, "at": -1}, "at must be epoch seconds"),
        ({"every": None, "interval": 5, "first_in": 1}, "first_in belongs to every"),
        ({"enabled": 1}, "enabled must be"),
        ({"source": "moon"}, "source must be"),
        ({"options": {"retry": True, "jid": "x"}}, "options must be"),
        ({"options": {}}, "options must be"),
        ({"description": "x" * 1_001}, "description must be"),
    ],
)
def test_what_a_definition_cannot_be(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        made(**fields)


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"{}", b"nonsense", b"\xff", b"{" * 200, b" " * (MAX_BYTES + 1), b'{"every":60}']
)
def test_what_redis_may_hold(raw: bytes) -> None:
    with pytest.raises(ValueError):
        Definition.from_json(raw)


def test_fields_of_newer_versions_are_passed_over() -> None:
    raw = made().to_json()[:-1] + b',"moon":"full"}'
    assert Definition.from_json(raw) == made()


def test_whole_seconds_are_the_same_definition() -> None:
    assert made(every=60).to_json() == made(every=60.0).to_json()


def test_ticks_to_come() -> None:
    assert made().ticks(100, 3, 160) == [160, 220, 280]
    assert made().ticks(165, 2, 100) == [220, 280]
    assert made(every=None, at=500.0).ticks(100, 3) == [500]
    assert made(every=None, at=500.0).ticks(500, 3) == []
    berlin = made(every=None, cron="0 6 * * *", timezone="Europe/Berlin").ticks(0, 2)
    assert [datetime.fromtimestamp(tick, UTC).hour for tick in berlin] == [5, 5]


def test_in_english() -> None:
    assert made(every=5400).describe() == "Every 1 hour 30 minutes"
    assert made(every=60).describe() == "Every minute"
    assert made(every=None, at=0).describe() == "Once, at 1970-01-01 00:00:00 UTC"
    assert made(every=None, cron="0 6 * * *", timezone="Europe/Berlin").describe().endswith("(Europe/Berlin)")
    assert [spoken(seconds) for seconds in (1, 2.5, 86_400, 90_061)] == [
        "second",
        "2.5 seconds",
        "day",
        "1 day 1 hour 1 minute 1 second",
    ]


def test_what_is_said_at_start() -> None:
    class Here(fastkiq.Worker, every=60, queue="far", name="Here"):
        def perform(self) -> None: ...

    found = [*declared(fastkiq.Config()), made(name="ruby", class_name="RubyJob")]
    first, second = warnings(found, {"default"})
    assert "'ruby' is for RubyJob, which no loaded module defines" in first
    assert "'Here' goes to the queue 'far'" in second
    assert warnings(found[:1], {"far"}) == []


def test_the_tick_of_a_job() -> None:
    at = 1_795_305_947_963
    job = fastkiq.Job.of_payload({"class": "A", "cron": {"name": "n", "tick": at}}, b"")
    assert job.tick == datetime.fromtimestamp(at / 1000, UTC)
    for cron in (None, 5, [], {}, {"tick": "x"}, {"tick": 10**30}, {"tick": True}):
        assert fastkiq.Job.of_payload({"class": "A", "cron": cron}, b"").tick is None
    assert fastkiq.Job.of_payload({}, b"").tick is None


def test_outside_of_a_run_there_is_no_tick() -> None:
    class Idle(fastkiq.Worker):
        def perform(self) -> None: ...

    assert Idle().tick is None
    assert registry.find(Idle.__fastkiq__.name) is not None
