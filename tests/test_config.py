"""Settings: what each takes, which source wins, and that nothing secret is shown."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import fastkiq
from fastkiq import Config, ConfigError
from fastkiq import config as configuration
from fastkiq.config import SETTINGS
from fastkiq.settings import Rank

SECRET = "s3cr3t"


@pytest.fixture
def process() -> Iterator[Config]:
    """A configuration of the process that only this test sees."""
    fresh = Config()
    before = configuration.replace_default(fresh)
    yield fresh
    configuration.replace_default(before)


def test_defaults() -> None:
    config = Config()
    assert config.redis_url == "redis://localhost:6379"
    assert config.queues == [("default", 0)]
    assert (config.concurrency, config.async_concurrency, config.timeout, config.max_retries) == (25, 100, 25.0, 25)
    assert (config.dead_max_jobs, config.dead_timeout_in_seconds) == (10_000, 15_552_000)
    assert (config.fetch, config.lease, config.max_payload_bytes) == ("reliable", 30.0, 8_388_608)
    assert (config.tag, config.poll_interval_average, config.outage_buffer) == (None, None, 0)
    assert config.source("concurrency") == "default"


def test_every_default_passes_its_own_check() -> None:
    for setting in SETTINGS.values():
        assert setting.read(setting.default, "here") == setting.default
        assert setting.__doc__


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("concurrency", 0),
        ("concurrency", True),
        ("concurrency", "5"),
        ("concurrency", 10**9),
        ("timeout", -1),
        ("timeout", float("nan")),
        ("timeout", True),
        ("lease", 0),
        ("fetch", "fast"),
        ("queues", []),
        ("queues", "default"),
        ("queues", ["a b"]),
        ("queues", [True]),
        ("queues", ["a,x"]),
        ("queues", ["a,-1"]),
        ("queues", ["a,99999"]),
        ("queues", [["a", 1, 2]]),
        ("queues", [["a", 1.5]]),
        ("tag", "a\nb"),
        ("labels", [1]),
        ("environment", ""),
        ("log_level", "loud"),
        ("backtrace", -1),
        ("max_payload_bytes", 1),
        ("outage_buffer", -1),
        ("recurring", "no"),
        ("pool_size", 0),
        *(("health", bad) for bad in (True, -1, 65_536, 9.5, "", "x", ":80", "::1:80", "a:b", "a b:1", "h:٣")),
        ("redis_url", "http://localhost"),
        ("redis_url", 5),
        ("redis_url", ""),
    ],
)
def test_bad_values_name_source_and_key(key: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=rf"^here: {key} "):
        Config().put(key, value, source="here")


@pytest.mark.parametrize(
    ("given", "address"),
    [
        (9000, "127.0.0.1:9000"),
        ("0", "127.0.0.1:0"),
        ("0.0.0.0:080", "0.0.0.0:80"),
        ("[::1]:9000", "[::1]:9000"),
        ("worker-3.internal:9000", "worker-3.internal:9000"),
        (None, None),
    ],
)
def test_health_is_on_loopback_unless_a_host_is_given(given: Any, address: str | None) -> None:
    assert Config(health=given).health == address


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"unknown setting 'concurency'; did you mean 'concurrency'\?"):
        Config(concurency=5)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (["a", "b"], [("a", 0), ("b", 0)]),
        (["a,3", "b, 1"], [("a", 3), ("b", 1)]),
        ([["a", 3], ("b", 1)], [("a", 3), ("b", 1)]),
        (["a,3", "b"], [("a", 3), ("b", 1)]),
        (["a", "b", "a,2"], [("a", 2), ("b", 1)]),
        (["a", "a"], [("a", 0)]),
    ],
)
def test_queues_and_weights(given: list[Any], read: list[tuple[str, int]]) -> None:
    assert Config(queues=given).queues == read


def test_values_cannot_be_changed_from_outside() -> None:
    config = Config(labels=["a"])
    config.labels.append("b")
    config.queues.append(("x", 0))
    assert config.labels == ["a"]
    assert Config().queues == [("default", 0)]


def test_the_higher_rank_wins_in_any_order() -> None:
    config = Config()
    config.put("concurrency", 1, source="-c", rank=Rank.COMMAND_LINE)
    config.put("concurrency", 2, source="file", rank=Rank.FILE)
    config.concurrency = 3
    assert (config.concurrency, config.source("concurrency")) == (1, "-c")


def test_configure_changes_all_or_nothing(process: Config) -> None:
    assert fastkiq.configure(concurrency=7, tag="t") is process
    with pytest.raises(ConfigError, match=r"configure\(\): timeout"):
        fastkiq.configure(concurrency=8, timeout="x")
    assert (process.concurrency, process.tag) == (7, "t")


@pytest.mark.parametrize(
    ("variables", "source"),
    [
        ({}, "fastkiq.toml"),
        ({"REDIS_URL": "redis://r"}, "REDIS_URL"),
        ({"REDIS_URL": "redis://r", "FASTKIQ_REDIS_URL": "redis://f"}, "FASTKIQ_REDIS_URL"),
        ({"REDIS_URL": "redis://r", "FASTKIQ_REDIS_URL": ""}, "REDIS_URL"),
    ],
)
def test_where_the_redis_url_comes_from(
    variables: dict[str, str], source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fastkiq.toml").write_text('redis_url = "redis://file"')
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    config = Config()
    config.load()
    assert config.source("redis_url").endswith(source)
    config.redis_url = "redis://code"
    assert config.redis_url == "redis://code"
    config.put("redis_url", "redis://option", source="--redis", rank=Rank.COMMAND_LINE)
    config.redis_url = "redis://code"
    assert config.redis_url == "redis://option"


def test_a_bad_variable_is_named_and_its_value_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTKIQ_REDIS_URL", f"htp://:{SECRET}@host")
    with pytest.raises(ConfigError, match=r"^FASTKIQ_REDIS_URL: redis_url is unusable") as caught:
        Config().load()
    assert SECRET not in str(caught.value)


def test_secrets_are_not_shown() -> None:
    config = Config(redis_url=f"redis://bob:{SECRET}@host:1/2", concurrency=5)
    for text in (repr(config), config.safe_url(), repr(fastkiq.Client(config=config)), str(vars(Config)["redis_url"])):
        assert SECRET not in text
    assert "concurrency=5" in repr(config)
    assert "host" in config.safe_url()


def test_help_lists_every_setting_with_its_default() -> None:
    text = fastkiq.configure.__doc__ or ""
    assert all(f"{name} = {setting.default!r}" in text for name, setting in SETTINGS.items())
