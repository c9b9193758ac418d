"""Priorities are queues."""

import pytest

from fastkiq.contrib.django.priorities import Priorities


def test_three_levels_by_default() -> None:
    priorities = Priorities()
    for low, high, queue in ((-100, -1, "mail:low"), (0, 0, "mail"), (1, 100, "mail:high")):
        assert {priorities.queue("mail", priority) for priority in (low, (low + high) // 2, high)} == {queue}


@pytest.mark.parametrize(
    ("priority", "queue"),
    [(100, "critical"), (51, "critical"), (50, "high"), (1, "high"), (0, "default"), (-1, "bulk"), (-100, "bulk")],
)
def test_levels_share_the_priorities_evenly(priority: int, queue: str) -> None:
    assert Priorities(["critical", "high", "default", "bulk"]).queue("default", priority) == queue


def test_the_place_of_a_task_is_that_of_its_own_queue() -> None:
    priorities = Priorities(["critical", "high", "default"])
    assert priorities.queue("high", 7) == "critical"
    assert priorities.queue("high", -7) == "default"
    assert priorities.queue("default", -7) == "default", "there is none below"
    assert not priorities.known("mail")
    assert priorities.queue("mail", 7) == "mail"


def test_workers_serve_by_priority_and_then_as_named() -> None:
    assert Priorities().served(["a", "b"]) == ["a:high", "b:high", "a", "b", "a:low", "b:low"]
    assert Priorities(["critical", "high", "default"]).served(["default", "mail"]) == [
        "critical",
        "high",
        "default",
        "mail",
    ]
