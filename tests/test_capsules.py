"""What may be said of capsules, and what comes of it."""

from typing import Any

import pytest

from fastkiq.capsules import Capsule, Served, check, served
from fastkiq.config import Config
from fastkiq.errors import ConfigError


def test_a_capsule_has_what_the_settings_say_unless_it_says_more() -> None:
    config = Config(
        queues=["a"],
        concurrency=7,
        capsules={
            "serial": {"queues": ["s"], "concurrency": 1},
            "wide": {"queues": ["b,2", "a"], "async_concurrency": 300},
        },
    )
    assert served(config) == [
        Served("default", [("a", 0)], 7, 100),
        Served("serial", [("s", 0)], 1, 1),
        Served("wide", [("b", 2), ("a", 1)], 7, 300),
    ]


def test_one_named_default_replaces_what_the_settings_say() -> None:
    config = Config(queues=["a"], concurrency=7, capsules={"default": {"queues": ["b"], "concurrency": 2}})
    assert served(config) == [Served("default", [("b", 0)], 2, 2)]


def test_without_capsules_there_is_the_default_one() -> None:
    assert served(Config()) == [Served("default", [("default", 0)], 25, 100)]


def test_what_was_read_can_be_given_again() -> None:
    config = Config(capsules={"serial": {"queues": ["s"]}})
    assert config.capsules == (Capsule("serial", [("s", 0)]),)
    assert Config(capsules=config.capsules).capsules == config.capsules


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["serial"], "must be given by name"),
        ({"a b": {"queues": ["a"]}}, "must have names of letters"),
        ({1: {"queues": ["a"]}}, "must have names of letters"),
        ({"serial": ["a"]}, "'serial' has no queues"),
        ({"serial": {"concurrency": 1}}, "'serial' has no queues"),
        ({"serial": {"queues": []}}, "'serial' has no queues"),
        ({"serial": {"queues": ["a"], "threads": 1}}, "'serial' has 'threads'"),
        ({"serial": {"queues": ["a"], "concurrency": 0}}, "in 'serial' concurrency must be a whole number"),
        ({"serial": {"queues": ["a b"]}}, "in 'serial' queues must name queues"),
    ],
)
def test_mistakes_say_which_capsule(given: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=f"capsules .*{message}"):
        Config(capsules=given)
    with pytest.raises(ValueError, match=message):
        check(given)
