"""What lies in Redis may be anybody's: hostile records, payloads and names of tasks."""

import json
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from redis import Redis

Work = Callable[..., None]


def queued(redis: Redis, queue: str = "default") -> list[dict[str, Any]]:
    return [json.loads(raw) for raw in redis.lrange(f"queue:{queue}", 0, -1)][::-1]


def test_nothing_is_imported_because_redis_names_it(depot: ModuleType, redis: Redis, work: Work) -> None:
    from depot.parcels.tasks import label

    from fastkiq.contrib.django.compat import TaskResultDoesNotExist

    result = label.enqueue("ann")
    [job] = queued(redis)
    redis.delete("queue:default")
    for name in ("subprocess.check_output", "antigravity.fly", "depot.parcels.models.Parcel", "depot.parcels.tasks"):
        redis.lpush("queue:default", json.dumps({**job, "class": name, "jid": name.ljust(24, "0")[:24]}))
        redis.hset(f"fastkiq:result:{result.id}", "payload", json.dumps({**job, "class": name}))
        with pytest.raises(TaskResultDoesNotExist):
            label.get_result(result.id)
    work_until_retry(redis, work)
    assert "antigravity" not in sys.modules
    assert {json.loads(raw)["error_class"] for raw in redis.zrange("retry", 0, -1)} == {"fastkiq.UnknownWorker"}


def work_until_retry(redis: Redis, work: Work) -> None:
    work("default")
    assert redis.zcard("retry") == 4


@pytest.mark.parametrize(
    "fields",
    [
        {"payload": b"\xff"},
        {"payload": b"[]"},
        {"status": b"sleeping"},
        {"django:runs": b"999999999999"},
        {"django:runs": b"-1", "django:started_at": b"x"},
        {"django:runs": b"1", "django:error:1": b'{"class": 1}'},
        {"started_at": b"99999999999999999999"},
    ],
)
def test_a_hostile_record_is_no_crash(depot: ModuleType, redis: Redis, fields: dict[str, bytes]) -> None:
    from depot.parcels.tasks import label

    from fastkiq.contrib.django.compat import TaskResultDoesNotExist

    result = label.enqueue("ann")
    redis.hset(f"fastkiq:result:{result.id}", mapping=fields)
    try:
        found = label.get_result(result.id)
    except TaskResultDoesNotExist:
        return
    assert found.id == result.id
    assert found.attempts <= 10_000


def test_what_a_hostile_payload_says_of_the_task_is_not_believed(depot: ModuleType, redis: Redis) -> None:
    from depot.parcels.tasks import label

    result = label.enqueue("ann")
    [job] = queued(redis)
    said: Any
    for said in (
        {"backend": "nowhere"},
        {"priority": "high"},
        {"priority": 10**400},
        {"run_after": "tomorrow"},
        {"queue_name": ["x"]},
        7,
    ):
        redis.hset(f"fastkiq:result:{result.id}", "payload", json.dumps({**job, "django": said}))
        assert label.get_result(result.id).task == label


@pytest.mark.parametrize("args", [[], ["ann"], ["ann", {}], [["ann"], ["note"]], [["ann"], {"to": "bob"}], [{}, []]])
def test_arguments_of_another_form_are_a_failure(depot: ModuleType, redis: Redis, work: Work, args: list[Any]) -> None:
    """As another program may have pushed them."""
    from depot.parcels.tasks import label

    result = label.enqueue("ann")
    [job] = queued(redis)
    redis.delete("queue:default")
    redis.lpush("queue:default", json.dumps({**job, "args": args}))
    work("default")
    result.refresh()
    assert result.status == "FAILED"
    [error] = [json.loads(raw)["error_class"] for raw in redis.zrange("dead", 0, -1)]
    assert error in ("TypeError", "fastkiq.ArgumentError", "fastkiq.errors.ArgumentError")


def test_the_class_of_an_error_is_looked_for_among_what_is_loaded(depot: ModuleType, redis: Redis) -> None:
    from depot.parcels.tasks import label

    result = label.enqueue("ann")

    def error_of(path: str) -> Any:
        told = json.dumps({"class": path, "traceback": "as it was"})
        redis.hset(f"fastkiq:result:{result.id}", mapping={"django:runs": 1, "django:error:1": told})
        return label.get_result(result.id).errors[0]

    assert error_of("json.decoder.JSONDecodeError").exception_class is json.JSONDecodeError
    for path in ("antigravity.Error", "nowhere", "", "a." * 5_000):
        with pytest.raises(ImportError):
            _ = error_of(path).exception_class
    for path in ("os.system", "json.nothing", "builtins.int"):
        with pytest.raises(ValueError, match="does not reference a valid exception"):
            _ = error_of(path).exception_class
    assert "antigravity" not in sys.modules


def test_a_renamed_task_waits_under_its_old_name(depot: ModuleType, redis: Redis, work: Work) -> None:
    from depot.parcels import tasks
    from depot.parcels.tasks import label

    from fastkiq import registry
    from fastkiq.contrib.django.compat import TaskResultDoesNotExist

    result = label.enqueue("ann")
    [job] = queued(redis)
    redis.delete("queue:default")
    old = "depot.parcels.tasks.label_of_last_week"
    redis.lpush("queue:default", json.dumps({**job, "class": old}))
    redis.hset(f"fastkiq:result:{result.id}", "payload", json.dumps({**job, "class": old}))
    work("default")
    [raw] = redis.zrange("retry", 0, -1)
    assert json.loads(raw)["error_class"] == "fastkiq.UnknownWorker"
    with pytest.raises(TaskResultDoesNotExist, match="of no task that this process has loaded"):
        label.get_result(result.id)
    assert registry.find(old) is None
    assert not hasattr(tasks, "label_of_last_week")
