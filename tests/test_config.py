"""Settings: what each takes, which source wins, what files say, and that nothing secret is shown."""

import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import fastkiq
from fastkiq import Config, ConfigError, events
from fastkiq import config as configuration
from fastkiq.capsules import Capsule
from fastkiq.config import SETTINGS
from fastkiq.settings import Rank

SECRET = "s3cr3t"

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    monkeypatch.chdir(tmp_path)

    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(textwrap.dedent(text))
        return path

    return write


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


def test_a_file_that_cannot_be_read_stays_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fastkiq.toml").write_text("redis_url = ")
    config = Config()
    for _ in range(2):  # the second call must not go on with the defaults: jobs would go to another Redis
        with pytest.raises(ConfigError, match="is no TOML"):
            config.load_once()


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
    variables: dict[str, str], source: str, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("fastkiq.toml", 'redis_url = "redis://file"')
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


def test_the_file_that_applies(write: Write) -> None:
    config = Config()
    config.load()
    assert config.concurrency == 25
    write("pyproject.toml", "[tool.other]\nx = 1")
    config.load()
    write("pyproject.toml", "[tool.fastkiq]\nconcurrency = 3\n[tool.fastkiq.test]\nconcurrency = 4")
    config.load()
    assert config.concurrency == 3
    config = Config(environment="test")
    config.load()
    assert config.concurrency == 4
    write("fastkiq.toml", "concurrency = 9")
    config = Config()
    config.load()
    assert config.concurrency == 9
    config.load(write("other.toml", "concurrency = 10"))
    assert config.concurrency == 10


def test_somebody_elses_broken_pyproject_is_no_concern(write: Write) -> None:
    write("pyproject.toml", "[tool")
    Config().load()


def test_load_once_reads_once(write: Write) -> None:
    config = Config()
    config.load_once()
    write("fastkiq.toml", "concurrency = 9")
    config.load_once()
    assert config.concurrency == 25


@pytest.mark.parametrize(("given", "concurrency"), [("development", 1), ("production", 50), ("staging", 10)])
def test_the_section_of_the_environment_wins_over_the_file(given: str, concurrency: int, write: Write) -> None:
    path = write(
        "fastkiq.toml",
        """
        concurrency = 10
        queues = ["critical,2", ["default", 1]]
        [development]
        concurrency = 1
        [production]
        concurrency = 50
        """,
    )
    config = Config(environment=given)
    config.load(path)
    assert config.concurrency == concurrency
    assert config.queues == [("critical", 2), ("default", 1)]


def test_the_file_may_name_the_environment(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write("fastkiq.toml", 'environment = "a"\n[a]\ntag = "A"\n[b]\ntag = "B"')
    config = Config()
    config.load(path)
    assert config.tag == "A"
    monkeypatch.setenv("FASTKIQ_ENV", "b")
    config = Config()
    config.load(path)
    assert (config.tag, config.environment) == ("B", "b")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("concurrency = 0", r"fastkiq\.toml: concurrency must be a whole number from 1"),
        ("concurency = 5", r"fastkiq\.toml: unknown setting 'concurency'; did you mean"),
        ("[production]\ntimeout = 'x'", r"fastkiq\.toml \[production\]: timeout must be"),
        ("[production]\ntimout = 5", r"fastkiq\.toml \[production\]: unknown setting 'timout'"),
        ("[production.deeper]\na = 5", r"fastkiq\.toml \[production\]: unknown setting 'deeper'"),
        ("a = ", r"fastkiq\.toml: is no TOML"),
        ("redis_url = 'x://:s3cr3t@h'", r"fastkiq\.toml: redis_url is unusable"),
        ("capsules = 1", "capsules must be given by name"),
        ("[capsules.a]\nconcurrency = 1", r"fastkiq\.toml: capsules must each say what they serve: 'a' has no queues"),
        ("[production.capsules.a]\nqueues = 1", r"fastkiq\.toml \[production\]: capsules are wrong: in 'a' queues"),
        ("\x00", "is no TOML"),
    ],
)
def test_mistakes_in_a_file_name_file_and_key(text: str, message: str, write: Write) -> None:
    write("fastkiq.toml", text)
    config = Config()
    with pytest.raises(ConfigError, match=message) as caught:
        config.load()
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read(write: Write, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"missing\.toml: cannot be read: No such file"):
        Config().load(tmp_path / "missing.toml")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        Config().load(tmp_path)
    with pytest.raises(ConfigError, match=r"ends in \.toml"):
        Config().load(write("fastkiq.ini", ""))
    with pytest.raises(ConfigError, match=r"has no table \[tool\.fastkiq\]"):
        Config().load(write("pyproject.toml", ""))
    (tmp_path / "binary.toml").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="is not UTF-8"):
        Config().load(tmp_path / "binary.toml")
    (tmp_path / "large.toml").write_text("#" * 1_048_577)
    with pytest.raises(ConfigError, match="larger than"):
        Config().load(tmp_path / "large.toml")


def test_a_sidekiq_yml_works_as_it_is(write: Write) -> None:
    path = write(
        "sidekiq.yml",
        """
        ---
        :verbose: false
        :concurrency: 10
        :timeout: 8
        :strict: false
        :max_retries: 3
        :pidfile: tmp/pids/sidekiq.pid
        .common: &common
          :queues:
            - critical
            - [default, 2]
            - "low,1"
        production:
          <<: *common
          :concurrency: 50
          :verbose: true
        development:
          <<: *common
        """,
    )
    config = Config()
    config.load(path)
    assert (config.concurrency, config.timeout, config.max_retries, config.log_level) == (10, 8.0, 3, "info")
    assert config.queues == [("critical", 1), ("default", 2), ("low", 1)]
    config = Config(environment="production")
    config.load(path)
    assert (config.concurrency, config.log_level) == (50, "debug")


def test_a_sidekiq_yml_may_hold_what_is_meant_for_ruby(write: Write) -> None:
    path = write(
        "sidekiq.yml",
        """
        :require: ./config/environment.rb
        :queues: default
        :labels: [blue]
        :scheduler:
          :schedule:
            nightly: {cron: '0 3 * * *', class: NightlyJob}
        :limits:
          low: 2
        :blocking_pool: 3
        :capsules:
          :serial:
            :concurrency: 1
            :queues: [reports, ["mails", "2"]]
        """,
    )
    config = Config()
    config.load(path)
    assert config.queues == [("default", 0)]
    assert config.require == []
    assert config.capsules == (Capsule("serial", [("reports", 1), ("mails", 2)], 1),)
    assert config.notices == [f"{path}: 'blocking_pool' means nothing to fastkiq"]


@pytest.mark.parametrize(("threads", "concurrency"), [("", 5), ("12", 12), ("many", 5), ("9" * 5_000, 5)])
def test_a_sidekiq_yml_has_sidekiq_s_default(
    threads: str, concurrency: int, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAILS_MAX_THREADS", threads)
    config = Config()
    config.load(write("sidekiq.yml", ":queues: [a]"))
    assert config.concurrency == concurrency
    config = Config()
    config.load(write("sidekiq.yml", ":concurrency: 9"))
    assert config.concurrency == 9


@pytest.mark.parametrize("name", ["RAILS_ENV", "RACK_ENV"])
def test_ruby_s_environment_picks_the_section(name: str, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "staging")
    config = Config()
    config.load(write("sidekiq.yml", ":concurrency: 1\nstaging:\n  :concurrency: 2\n"))
    assert config.concurrency == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\n:concurrency: <%= ENV['X'] %>", r"line 2 contains an ERB tag \(<%\)"),
        (":concurrency: many", "concurrency must be a whole number"),
        (":concurency: 5", "unknown setting 'concurency'"),
        ("- a", "must hold settings by name, not list"),
        (":queues: [", "is no YAML"),
        ("!ruby/object:X {}", "is no YAML"),
        (":queues: &a [*a]", "aliases"),
        (":capsules: {a: {}}", "capsules must each say what they serve: 'a' has no queues"),
        (":capsules: 1", "capsules must be given by name"),
        ("development: 1", r"\[development\]: must hold settings by name"),
        ("1: 2", "1 is no name"),
    ],
)
def test_mistakes_in_a_sidekiq_yml(text: str, message: str, write: Write) -> None:
    with pytest.raises(ConfigError, match=rf"sidekiq\.yml.*{message}") as caught:
        Config().load(write("sidekiq.yml", text))
    assert "\n" not in str(caught.value)


def test_a_broken_file_does_not_show_its_secrets(write: Write) -> None:
    for name, text in (
        ("sidekiq.yml", ":redis_url: redis://:hunter2: x@localhost"),
        ("fastkiq.toml", "redis_url = redis://:hunter2@localhost"),
    ):
        with pytest.raises(ConfigError, match=f"{name}: .*line 1") as caught:
            Config().load(write(name, text))
        assert "hunter2" not in str(caught.value)


def test_without_pyyaml_the_error_says_what_to_install(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "yaml", None)
    with pytest.raises(ConfigError, match="pip install pyyaml"):
        Config().load(write("sidekiq.yml", "a: 1"))


def test_hooks_run_in_order_and_are_guarded() -> None:
    config = Config()
    log: list[str] = []
    reported: list[tuple[BaseException, dict[str, Any]]] = []
    config.error_handlers.append(lambda error, context: reported.append((error, context)))

    @config.on("quiet")
    def first() -> None:
        log.append("first")

    @config.on("quiet")
    def broken() -> None:
        raise ValueError("hook")

    config.on("quiet", lambda: log.append("last"))
    config.on("beat", lambda: log.append("beat 1"))
    config.on("beat", lambda: log.append("beat 2"))
    events.fire(config, "quiet")
    events.fire(config, "beat")
    assert log == ["last", "first", "beat 1", "beat 2"]
    assert [(str(error), context["context"]) for error, context in reported] == [
        ("hook", "error in a hook of the event 'quiet'")
    ]
    config.on("startup", broken)
    with pytest.raises(ValueError, match="hook"):
        events.fire(config, "startup")


def test_unknown_events_and_hooks_are_refused() -> None:
    with pytest.raises(ConfigError, match="unknown event 'startsup'; did you mean 'startup'"):
        Config().on("startsup", print)
    with pytest.raises(ConfigError, match="must be callable"):
        Config().on("startup", 5)  # type: ignore[call-overload]

    async def hook() -> None: ...

    with pytest.raises(ConfigError, match="cannot be async"):
        Config().on("startup", hook)


def test_handlers_are_guarded_one_by_one(caplog: pytest.LogCaptureFixture) -> None:
    config = Config()
    seen: list[str] = []

    def broken(*_: object) -> None:
        raise ValueError("handler")

    config.error_handlers += [broken, lambda error, context: seen.append(f"error {error}")]
    config.death_handlers += [broken, lambda job, error: seen.append(f"dead {job.jid} {error}")]
    job = fastkiq.Job(jid="j", class_name="A", queue="q", args=[])
    events.died(config, job, KeyError("why"))
    assert seen == ["error handler", "dead j 'why'"]
    assert "error handler <function" in caplog.text


def test_help_lists_every_setting_with_its_default() -> None:
    text = fastkiq.configure.__doc__ or ""
    assert all(f"{name} = {setting.default!r}" in text for name, setting in SETTINGS.items())
