"""What users write: configuration files, command lines, rows to push."""

import contextlib
import io
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import example
from hypothesis import strategies as st

from fastkiq import Client, cli, config, configfile
from fastkiq.cli.bulk import push_lines
from fastkiq.config import SETTINGS, Config
from fastkiq.errors import ConfigError, FastkiqError
from fuzz.kit import UNFIT, fuzz, payloads, stored, texts, values

NAMES = [*SETTINGS, "production", "capsules", "verbose", "strict", "tool", "fastkiq", "nonsense"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


def loads(path: Path, text: str | bytes) -> Config | None:
    """What becomes of the file: settings, or one error that names it."""
    path.write_bytes(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)
    loaded = Config()
    begin = time.process_time()
    try:
        loaded.load(path)
    except ConfigError as error:
        assert path.name in str(error)  # noqa: PT017
        assert len(str(error)) < 2_000  # noqa: PT017
        return None
    finally:
        assert time.process_time() - begin < 10
    return loaded


toml_values = st.sampled_from(
    [
        "5",
        "0",
        "-1",
        "1.5",
        "nan",
        "inf",
        "true",
        '"x"',
        "'redis://h'",
        '["a", "b,2"]',
        "{a = 1}",
        "[[1]]",
        "1979-05-27",
        "0xff",
    ]
)
toml = st.lists(
    st.tuples(st.sampled_from(NAMES), toml_values).map(" = ".join)
    | st.sampled_from(NAMES).map("[{}]".format)
    | st.text(max_size=15),
    max_size=8,
).map("\n".join)


@fuzz("toml", toml | st.binary(max_size=80), share=0.5)
@example("concurrency = " + "1" * 5_000)
@example("concurrency = 0x" + "f" * 5_000)
@example("environment = 0x" + "f" * 5_000)
@example("[" * 5_000)
@example("a = " + "[" * 5_000)
@example("a" * 5_000 + " = 1")
@example("timeout = 0x" + "f" * 5_000)
def test_any_toml(folder: Path, text: str | bytes) -> None:
    loads(folder / "fastkiq.toml", text)


def test_a_long_key_takes_no_long_time(folder: Path) -> None:
    loads(folder / "fastkiq.toml", "a" * 900_000 + " = 1")
    loads(folder / "long.yml", "a" * 900_000 + ": 1")


@fuzz("pyproject", toml | st.binary(max_size=60), share=0.3)
@example("a = " + "[" * 5_000)
@example("a = " + "1" * 5_000)
def test_any_pyproject_is_somebody_elses(folder: Path, text: str | bytes) -> None:
    (folder / "own").mkdir(exist_ok=True)
    path = folder / "own" / "pyproject.toml"
    path.write_bytes(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)
    assert configfile.find(path.parent) in (None, path)


YAML = """5 | 1.5 | .nan | true | x | :x | [a, [b, 2]] | {a: 1} | &a [1] | *a | 2001-12-14 | !!binary 5 | 1:30 | ~ | ' |
<< | !!set {a} | !!python/object/apply:os.system [x] | !!python/name:os.system | !ruby/object:Object {}"""
yaml_values = st.sampled_from([each.strip() for each in YAML.split("|")])
yaml = st.lists(
    st.tuples(st.sampled_from(NAMES) | st.just("<<"), yaml_values).map(": ".join)
    | st.tuples(st.sampled_from(NAMES), yaml_values).map(lambda pair: f":{pair[0]}:\n  - {pair[1]}")
    | st.text(max_size=15),
    max_size=8,
).map("\n".join)


@fuzz("yaml", yaml | st.binary(max_size=80), share=0.5)
@example("concurrency: 0x" + "f" * 5_000)
@example("concurrency: " + "1" * 5_000)
@example("[" * 5_000)
@example("0x" + "f" * 5_000 + ": 1")
@example("? [a]\n: 1")
@example("queues: &a [*a, *a]")
@example("a: &a {<<: *a}")
def test_any_yaml(folder: Path, text: str | bytes) -> None:
    loads(folder / "sidekiq.yml", text)


def laughs(line: str, joined: str, levels: int = 30) -> str:
    """Each level refers ten times to the one before."""
    first = "a0: &a0 {x: 1}" if "<<" in line else line.format("a0", "1, 1")
    following = [line.format(f"a{level}", joined.join([f"*a{level - 1}"] * 10)) for level in range(1, levels)]
    return "\n".join([first, *following])


@pytest.mark.parametrize(
    "text",
    [
        laughs("{0}: &{0} [{1}]", ", "),
        laughs("{0}: &{0} {{<<: [{1}]}}", ", "),
        "queues: &a [*a, *a, *a, *a]",
        "queues: " + "[" * 900 + "]" * 900,
        "concurrency: 1" + ":1" * 400_000,
        "? " * 100_000,
    ],
    ids=["lists", "merges", "circle", "deep", "base 60", "keys of keys"],
)
def test_a_yaml_bomb_is_refused_at_once(folder: Path, text: str) -> None:
    begin = time.process_time()
    assert loads(folder / "bomb.yml", text) is None
    assert time.process_time() - begin < 3


def test_yaml_makes_nothing_but_plain_values(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for tag in ("object/apply:print", "object/new:print", "name:print", "module:this", "object:fastkiq.Config"):
        assert loads(folder / "tag.yml", f"tag: !!python/{tag} [x]") is None
    assert capfd.readouterr() == ("", "")


def test_anchors_as_people_use_them_are_read(folder: Path) -> None:
    text = "default: &default\n  concurrency: 7\ndevelopment:\n  <<: *default\n  timeout: 5\n"
    loaded = loads(folder / "anchors.yml", text)
    assert loaded is not None
    assert (loaded.concurrency, loaded.timeout) == (7, 5)


WORDS = [
    *("process", "push", "stats", "queues", "busy", "retries", "scheduled", "dead", "completion", "nonsense"),
    *(
        "--help",
        "--version",
        "-h",
        "-V",
        "--redis",
        "-C",
        "-e",
        "-q",
        "-c",
        "-t",
        "-g",
        "-v",
        "-n",
        "--limit",
        "--json",
    ),
    *(
        "--drain",
        "--drain=5",
        "--drain=nan",
        "--fetch",
        "--log-format",
        "--in",
        "--at",
        "--bulk",
        "-m",
        "--queue",
        "--",
    ),
    *(
        "redis://127.0.0.1:1/0",
        "redis://:hunter2@127.0.0.1:1",
        "gopher://x",
        "",
        "-",
        "=",
        "5",
        "-1",
        "1e999",
        "nan",
        "a,1",
        "\ud800",
    ),
    *("nowhere.py", "a/b", "no.such.module", "[1]", '"x"', "{", "app.Hard", "bash", "\x1b[31m", "2030-01-01T00:00:00Z"),
    *(
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "x" * 5_000,
        "1" * 5_000,
        "/dev/null",
        "a\0b",
        "fastkiq.toml",
    ),
]
lines = st.lists(st.sampled_from(WORDS) | st.text(max_size=6), max_size=6)


@pytest.fixture(scope="module")
def harmless(folder: Path) -> Iterator[None]:
    """In a folder where nothing can be loaded, with a Redis that nobody can reach."""
    patch = pytest.MonkeyPatch()
    patch.chdir(folder / "own" if (folder / "own").is_dir() else folder)
    patch.setenv("FASTKIQ_REDIS_URL", "redis://127.0.0.1:1")
    patch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO()))
    patch.setattr("fastkiq.cli.process.setup", lambda *_: None)
    patch.setattr("fastkiq.cli.process._run", lambda *_: 0)
    patch.syspath_prepend(str(folder))
    yield
    patch.undo()


@fuzz(
    "command-line",
    st.tuples(st.sampled_from(WORDS[:10]), lines).map(lambda pair: [pair[0], *pair[1]]) | lines,
    share=0.5,
)
@example(["process", "x" * 5_000])
@example(["process", "x" * 5_000 + "/y"])
@example(["process", "--drain", "1" * 5_000])
@example(["process", "a\0b/c"])
@example(["stats", "-C", "x" * 5_000])
@example(["stats", "-C", "a\0b.toml"])
@example(["push", "A", "--at", "0001-01-01T00:00:00+23:59"])
@example(["push", "A", "--in", "1e999"])
def test_any_command_line(harmless: None, arguments: list[str]) -> None:
    before = config.replace_default(Config())
    out, errors = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
            code = cli.run(arguments)
    finally:
        config.replace_default(before)
    said = errors.getvalue()
    assert code in (0, 1, 2), (code, said)
    assert "Traceback" not in said
    assert "hunter2" not in said
    assert code == 0 or said
    assert not re.search(f"[{UNFIT}]", said)


rows = st.lists(values | st.lists(values, max_size=3), max_size=4)


@fuzz(
    "bulk-rows",
    st.lists(stored | st.sampled_from([b"", b"[]", b"[1]", b"\xef\xbb\xbf[1]"]), max_size=5).map(b"\n".join),
)
@example(b"[" * 5_000)
@example(b"[" + b"1" * 5_000 + b"]")
@example(b'["\\ud800"]')
def test_any_rows_to_push(file: bytes) -> None:
    pushed: list[Any] = []
    client = Client("redis://127.0.0.1:1")
    client.enqueue_bulk = lambda target, rows, at: pushed.extend(rows) or rows  # type: ignore[method-assign, func-returns-value]
    try:
        count = push_lines(client, "app.Any", io.BytesIO(file), None, {})
    except click.UsageError as error:
        assert not pushed, "all lines are looked at first"
        assert error.message.startswith("line ")  # noqa: PT017
    else:
        assert count == len(pushed)
        assert all(isinstance(row, list) for row in pushed)


@fuzz(
    "push",
    st.lists(values, max_size=3),
    st.dictionaries(st.sampled_from(["queue", "retry", "tags", "x"]), values, max_size=2),
    share=0.5,
)
def test_any_arguments_and_options(args: list[Any], options: dict[str, Any]) -> None:
    client = Client(
        "redis://127.0.0.1:1",
    )
    try:
        target = client.target("app.Any", options)
        client.prepare(target, target.arguments(args, {}), None)
        client._template(target)
    except FastkiqError as error:
        assert len(str(error)) < 2_000  # noqa: PT017


@fuzz("settings", st.sampled_from(sorted(SETTINGS)), values | payloads | texts)
def test_any_value_of_a_setting(name: str, value: Any) -> None:
    made = Config()
    try:
        setattr(made, name, value)
    except ConfigError as error:
        assert len(str(error)) < 600  # noqa: PT017
    repr(made)
