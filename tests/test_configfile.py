"""Configuration files: which one applies, sections, a `sidekiq.yml`, and mistakes that are named."""

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from fastkiq import Config, ConfigError
from fastkiq.capsules import Capsule

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


def test_a_file_that_cannot_be_read_stays_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fastkiq.toml").write_text("redis_url = ")
    config = Config()
    for _ in range(2):  # the second call must not go on with the defaults: jobs would go to another Redis
        with pytest.raises(ConfigError, match="is no TOML"):
            config.load_once()


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
