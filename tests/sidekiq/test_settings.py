"""The same sidekiq.yml gives both sides the same queues, weights, numbers and capsules."""

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import redis as redis_py

from children import Child
from fastkiq.capsules import served
from fastkiq.config import Config
from fastkiq.settings import Rank
from servers import wait_until
from sidekiq.judge import APP, Ruby

Start = Callable[..., Child]

FILES = {
    "nothing": "",
    "names": """
        :queues:
          - critical
          - default
        """,
    "plain keys": """
        concurrency: 3
        timeout: 40
        tag: mine
        queues: [critical, default]
        """,
    "weights in pairs": """
        :queues:
          - [critical, 3]
          - [default, 1]
        """,
    "weights in words": """
        :queues: ["critical,3", "default, 1"]
        """,
    "weights as texts and some without": """
        :queues: [["critical", "3"], default, low]
        """,
    "random": """
        :queues: ["critical,1", ["default", 1]]
        """,
    "symbols": """
        :concurrency: 7
        :queues:
          - :critical
          - - :default
            - 2
        """,
    "one queue by name": """
        :queues: mails
        """,
    "said twice": """
        :queues: [a, b, a]
        """,
    "environments": """
        :concurrency: 5
        :max_retries: 3
        staging:
          :concurrency: 10
        production:
          :concurrency: 20
          :queues: [fast]
        """,
    "aliases": """
        .common: &common
          :concurrency: 9
          :queues: &queues
            - critical
            - [default, 2]
        production:
          <<: *common
          :timeout: 12
        staging:
          <<: *common
          :concurrency: 4
          :queues: *queues
        development:
          :queues: [dev]
        """,
    "capsules": """
        :concurrency: 10
        :queues: [default]
        :capsules:
          :serial:
            :concurrency: 1
            :queues: [reports]
          unsafe:
            queues: [["a", 2], "b,3", default]
            concurrency: 2
        """,
    "capsules of an environment": """
        :queues: [default]
        production:
          :capsules:
            serial: {concurrency: 1, queues: ["reports,2", [mails, 1]]}
        """,
    "the default capsule": """
        :queues: [unused]
        :capsules: {default: {queues: [a, b], concurrency: 4}}
        """,
    "much that is Ruby's": """
        ---
        :verbose: false
        :pidfile: ./tmp/pids/sidekiq.pid
        :logfile: ./log/sidekiq.log
        :require: ./config/environment.rb
        :strict: true
        :average_scheduled_poll_interval: 15
        :queues:
          - default
          - mailers
        :scheduler:
          :schedule:
            nightly:
              cron: '0 3 * * *'
              class: NightlyJob
        """,
}


def ours(path: Path, environment: str | None, options: dict[str, Any]) -> dict[str, Any]:
    """What fastkiq makes of the file, in the words of settings.rb."""
    config = Config()
    for key, value in {**options, **({"environment": environment} if environment else {})}.items():
        config.put(key, value, source="test", rank=Rank.COMMAND_LINE)
    config.load(path)
    retries = config.max_retries if config.source("max_retries") != "default" else None
    return {
        "timeout": config.timeout,
        "tag": config.tag,
        "retries": retries,
        "environment": config.environment,
        "capsules": {
            each.name: {
                "queues": [name for name, _ in each.queues],
                "weights": dict(each.queues),
                "concurrency": each.concurrency,
            }
            for each in served(config)
        },
    }


def theirs(shown: dict[str, Any]) -> dict[str, Any]:
    """A queue without a weight among others that have one weighs 0 there, and is drawn as one that weighs 1."""
    for capsule in shown["capsules"].values():
        if capsule.pop("mode") != "strict":
            capsule["weights"] = {name: max(weight, 1) for name, weight in capsule["weights"].items()}
    return shown


@pytest.mark.parametrize("environment", [None, "production", "staging"])
@pytest.mark.parametrize("name", FILES)
def test_both_read_the_same(name: str, environment: str | None, ruby: Ruby, tmp_path: Path) -> None:
    text = dedent(FILES[name])
    path = tmp_path / "sidekiq.yml"
    path.write_text(text)
    # Ruby loads what -r names, and the file may name something else: the command line wins.
    shown = ruby("settings", text=text, options=["-e", environment] if environment else [])
    assert ours(path, environment, {}) == theirs(shown)


def test_the_command_line_wins_on_both_sides(ruby: Ruby, tmp_path: Path) -> None:
    text = dedent(FILES["capsules"])
    path = tmp_path / "sidekiq.yml"
    path.write_text(text)
    shown = ruby("settings", text=text, options=["-q", "x,2", "-q", "y,1", "-c", "6", "-t", "9", "-g", "t"])
    assert ours(path, None, {"queues": ["x,2", "y,1"], "concurrency": 6, "timeout": 9, "tag": "t"}) == theirs(shown)


@pytest.mark.parametrize("name", ["RAILS_MAX_THREADS", "RAILS_ENV", "RACK_ENV", "APP_ENV"])
def test_ruby_s_variables_count(name: str, ruby: Ruby, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = dedent(FILES["aliases"])
    path = tmp_path / "sidekiq.yml"
    path.write_text(text)
    value = "13" if name == "RAILS_MAX_THREADS" else "staging"
    monkeypatch.setenv(name, value)
    assert ours(path, None, {}) == theirs(ruby("settings", text=text, environment={name: value}))


def test_ruby_sees_capsules_as_its_own(
    ruby: Ruby, worker_process: Start, redis: redis_py.Redis, tmp_path: Path
) -> None:
    """From the same file; and the page of processes shows them."""
    text = dedent(FILES["capsules"])
    (tmp_path / "sidekiq.yml").write_text(text)
    child = worker_process(APP, "-C", "sidekiq.yml")
    child.wait_for("ready")
    wait_until(lambda: redis.scard("processes") == 1, 15, "its first beat")
    (process,) = ruby("processes")["processes"]
    expected = theirs(ruby("settings", text=text))["capsules"]
    shown = {
        name: {"queues": list(each["weights"]), "weights": each["weights"], "concurrency": each["concurrency"]}
        for name, each in process["capsules"].items()
    }
    assert shown == expected
    assert {each["mode"] for each in process["capsules"].values()} == {"strict", "weighted"}
    assert (process["queues"], process["concurrency"]) == (["default", "reports", "a", "b"], 13)
    ((status, page),) = ruby("web", requests=[["GET", "/busy"]])
    assert status == 200
    assert all(name in page for name in ("reports", "default", "fastkiq")), page
    assert child.stop() == 0
