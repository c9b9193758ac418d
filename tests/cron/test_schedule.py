"""Schedules of files: fastkiq.toml, pyproject.toml, and sidekiq.yml in the forms of sidekiq-scheduler."""

import textwrap
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

import fastkiq
from fastkiq import Config, ConfigError
from fastkiq.cron.declared import declared
from fastkiq.cron.definition import Definition
from fastkiq.cron.moments import moment


def loaded(folder: Path, name: str, text: str, environment: str | None = None) -> dict[str, Definition]:
    path = folder / name
    path.write_text(textwrap.dedent(text))
    config = Config() if environment is None else Config(environment=environment)
    config.load(path)
    return {each.name: each for each in declared(config)}


def test_a_fastkiq_toml(tmp_path: Path) -> None:
    class Clean(fastkiq.Worker, name="Clean", queue="low", retry=3):
        def perform(self, days: int = 1) -> None: ...

    text = """
        [schedule.nightly]
        cron = "0 3 * * *"
        class = "Clean"
        args = [30]
        timezone = "Europe/Berlin"
        missed = "all"
        description = "Old rows"

        [schedule.poll]
        every = "1h30m"
        class = "Unknown"
        queue = "other"

        [schedule.Clean]
        every = 30

        [schedule.launch]
        at = 2030-12-01T06:00:00Z
        class = "Unknown"

        [schedule.party]
        at = 2030-12-01T06:00:00
        timezone = "Europe/Berlin"
        class = "Unknown"
        enabled = false
    """
    found = loaded(tmp_path, "fastkiq.toml", text)
    nightly, poll = found["nightly"], found["poll"]
    assert (nightly.class_name, nightly.args, nightly.queue, nightly.options) == ("Clean", [30], "low", {"retry": 3})
    assert (nightly.timezone, nightly.missed, nightly.description, nightly.source) == (
        "Europe/Berlin",
        "all",
        "Old rows",
        "file",
    )
    assert (poll.every, poll.queue, poll.options) == (5400, "other", {"retry": True})
    assert found["Clean"].class_name == "Clean", "the entry's name is that of its class where none is said"
    assert found["launch"].at == datetime(2030, 12, 1, 6, tzinfo=UTC).timestamp()
    assert found["party"].at == datetime(2030, 12, 1, 6, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()
    assert not found["party"].enabled


@pytest.mark.parametrize("name", ["fastkiq.toml", "pyproject.toml", "sidekiq.yml"])
def test_an_environment_has_its_own_entries_over_those_of_all(tmp_path: Path, name: str) -> None:
    tool = "tool.fastkiq." if name == "pyproject.toml" else ""
    toml = f"""
        [{tool}schedule]
        one = {{ every = 60, class = "A" }}
        two = {{ every = 60, class = "A" }}
        [{tool}production.schedule]
        two = {{ every = 5, class = "A" }}
        three = {{ every = 5, class = "A" }}
    """
    yml = """
        :schedule:
          one: {every: 60, class: A}
          two: {every: 60, class: A}
        production:
          :schedule:
            two: {every: 5, class: A}
            three: {every: 5, class: A}
    """
    text = yml if name == "sidekiq.yml" else toml
    everywhere = loaded(tmp_path, name, text)
    assert {key: each.every for key, each in everywhere.items()} == {"one": 60, "two": 60}
    there = loaded(tmp_path, name, text, "production")
    assert {key: each.every for key, each in there.items()} == {"one": 60, "two": 5, "three": 5}


@pytest.mark.parametrize("head", [":schedule:", ":scheduler:\n  :schedule:"])
def test_a_sidekiq_yml(tmp_path: Path, head: str) -> None:
    entries = """
        hello:
          cron: '0 6 * * * Europe/Berlin'
          class: HelloWorld
          queue: high
          args: ['*matched*', 2]
          description: "says hello"
        by_seconds:
          cron: '*/30 * * * * *'
          class: HelloWorld
        polled:
          every: ['5m', {first_in: '10s'}]
          class: Poll
        plain:
          every: 1h30m
          class: Poll
          args: one
        paused:
          interval: 2 days
          enabled: false
          class: Poll
        later:
          in: 1M
          class: Poll
        once:
          at: '2030/12/01 06:00:00 Europe/Berlin'
          class: Poll
        Named::Job:
          :every: 30s
    """
    indent = "  " * (head.count("\n") + 1)
    text = head + "\n" + textwrap.indent(textwrap.dedent(entries), indent)
    found = loaded(tmp_path, "sidekiq.yml", text)
    hello = found["hello"]
    assert (hello.cron, hello.timezone, hello.class_name) == ("0 6 * * *", "Europe/Berlin", "HelloWorld")
    assert (hello.queue, hello.args, hello.description) == ("high", ["*matched*", 2], "says hello")
    assert found["by_seconds"].cron == "*/30 * * * * *"
    assert (found["polled"].every, found["polled"].first_in) == (300, 10)
    assert (found["plain"].every, found["plain"].args) == (5400, ["one"])
    assert (found["paused"].interval, found["paused"].enabled) == (172_800, False)
    assert found["later"].in_ == 30 * 86_400
    assert found["once"].at == datetime(2030, 12, 1, 6, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()
    assert found["Named::Job"].class_name == "Named::Job"


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("{cron: '61 * * * *'}", "'x': cron '61"),
        ("{every: now and then}", "'x': every 'now and then' is no span of time: write seconds, or"),
        ("{every: .nan}", "'x': every nan is no span of time"),
        ("{every: 0.5}", "'x': every must be"),
        ("{at: .inf}", "'x': at must be a moment"),
        ("{every: [5m, {last_in: 1s}]}", "'x': every must be a span, or a list"),
        ("{every: 5m, cron: '* * * * *'}", "'x': cron, every, interval, at or in: exactly one"),
        ("{}", "exactly one of them says when, not none"),
        ("{every: 5m, clas: A}", "'x': unknown key 'clas'; did you mean 'class'"),
        ("{every: 5m, timezone: Nowhere}", "'x': timezone: there is no time zone"),
        ("{at: tomorrow}", "'x': at must be a moment such as '2030-12-01 06:00', not 'tomorrow'"),
        ("{at: '2030-01-01 06:00 Europe/Nowhere'}", "'x': at there is no time zone"),
        ("{every: 5m, class: 'a b'}", "'x': class must name a worker"),
        ("{every: 5m, missed: never}", "'x': missed must be"),
        ("5", "'x': must hold cron"),
    ],
)
@pytest.mark.parametrize("section", ["", "production"])
def test_mistakes_name_file_entry_and_key(tmp_path: Path, entry: str, said: str, section: str) -> None:
    text = f":schedule:\n  x: {entry}\n"
    text = f"production:\n{textwrap.indent(text, '  ')}" if section else text
    with pytest.raises(ConfigError, match=r"sidekiq\.yml.*: schedule ") as raised:
        loaded(tmp_path, "sidekiq.yml", text, section or None)
    assert said in str(raised.value)


def test_a_mistake_in_a_section_that_does_not_apply_is_one_in_toml(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"fastkiq\.toml \[staging\]: schedule 'x': every 'often' is no span"):
        loaded(tmp_path, "fastkiq.toml", "[staging.schedule.x]\nevery = 'often'\n")


def test_arguments_fit_the_worker(tmp_path: Path) -> None:
    class One(fastkiq.Worker, name="One"):
        def perform(self, what: str) -> None: ...

    with pytest.raises(ConfigError, match=r"fastkiq\.toml: schedule 'x': args do not fit One\.perform"):
        loaded(tmp_path, "fastkiq.toml", "[schedule.x]\nevery = 60\nclass = 'One'\n")
    assert loaded(tmp_path, "fastkiq.toml", "[schedule.x]\nevery = 60\nclass = 'One'\nargs = ['a']\n")

    class OneDay(fastkiq.Worker, name="OneDay"):
        def perform(self, day: date) -> None: ...

    with pytest.raises(ConfigError, match=r"args do not fit OneDay\.perform"):
        loaded(tmp_path, "fastkiq.toml", "[schedule.x]\nevery = 60\nclass = 'OneDay'\n")
    assert loaded(tmp_path, "fastkiq.toml", "[schedule.x]\nevery = 60\nclass = 'OneDay'\nargs = ['2026-12-01']\n")


def test_one_name_is_one_job(tmp_path: Path) -> None:
    class Twice(fastkiq.Worker, name="Twice", every=60):
        def perform(self) -> None: ...

    with pytest.raises(ConfigError, match="schedule 'Twice' is declared by a class"):
        loaded(tmp_path, "fastkiq.toml", "[schedule.Twice]\nevery = 60\n")


@pytest.mark.parametrize(
    ("value", "zone", "epoch"),
    [
        (5, "UTC", 5),
        ("1970-01-01 00:01", "UTC", 60),
        ("1970/01/01 00:01:00", "UTC", 60),
        ("1970-01-01T01:01:00+01:00", "UTC", 60),
        ("1970-01-01T00:01Z", "UTC", 60),
        ("1970-01-01 01:01 Europe/Berlin", "UTC", 60),
        ("1970-01-01 01:01", "Europe/Berlin", 60),
    ],
)
def test_moments(value: Any, zone: str, epoch: float) -> None:
    assert moment(value, zone) == epoch


@pytest.mark.parametrize("value", [None, True, [], "tomorrow", "1" * 200, -1, 10**400, float("nan"), float("inf")])
def test_what_is_no_moment(value: Any) -> None:
    with pytest.raises(ValueError, match="must be a moment such as"):
        moment(value, "UTC")
