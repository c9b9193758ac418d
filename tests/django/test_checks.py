"""What `manage.py check` has to say."""

from types import ModuleType
from typing import Any

import pytest

import fastkiq


def messages(**settings: Any) -> dict[str, Any]:
    from django.core.checks import run_checks
    from django.test import override_settings

    deploy = settings.pop("deploy", False)
    with override_settings(**settings):
        found = run_checks(include_deployment_checks=deploy, databases=["default"])
    return {message.id: message for message in found if message.id.startswith("fastkiq.")}


def tasks(**params: Any) -> dict[str, Any]:
    return {"default": {"BACKEND": "fastkiq.contrib.django.FastkiqBackend", "QUEUES": [], **params}}


def test_a_project_that_is_right_has_nothing_said_of_it(depot: ModuleType) -> None:
    assert messages(deploy=True) == {}


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ("redis://", "must be a dict"),
        ({"redis_url": "http://x"}, "redis_url"),
        ({"concurency": 3}, "did you mean 'concurrency'?"),
        ({"REDIS_URL": "redis://x"}, "did you mean 'redis_url'?"),
        ({3: 3}, "unknown setting 3"),
        ({"enqueue_after_commit": 1.5}, "enqueue_after_commit"),
        ({"autodiscover": "tasks"}, "autodiscover"),
        ({"autodiscover": ["a.b"]}, "autodiscover"),
    ],
)
def test_e001_settings(depot: ModuleType, given: Any, word: str) -> None:
    found = messages(FASTKIQ=given)
    assert word in found["fastkiq.E001"].msg
    assert found["fastkiq.E001"].hint


def test_wrong_settings_enqueue_nothing_until_they_are_mended(depot: ModuleType) -> None:
    from depot.parcels.workers import Weigh
    from django.core.exceptions import ImproperlyConfigured
    from django.test import override_settings

    with override_settings(FASTKIQ={"redis_ulr": "x"}):
        with pytest.raises(ImproperlyConfigured, match="did you mean 'redis_url'"):
            Weigh.perform_async(1)
    assert Weigh.perform_async(1)


def test_a_secret_is_not_in_the_message(depot: ModuleType) -> None:
    found = messages(FASTKIQ={"redis_url": "redis://:hunter2@host:port/x"})
    assert "hunter2" not in str(found["fastkiq.E001"])


def test_e003_app_not_installed(depot: ModuleType) -> None:
    from django.conf import settings

    without = [name for name in settings.INSTALLED_APPS if not name.startswith("fastkiq")]
    assert "INSTALLED_APPS" in messages(INSTALLED_APPS=without)["fastkiq.E003"].hint


def test_e004_queue_names(depot: ModuleType) -> None:
    assert "'my queue'" in messages(TASKS=tasks(QUEUES=["my queue"]))["fastkiq.E004"].msg


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"RETRIES": 3}, "did you mean 'RETRY'?"),
        ({"RETRY": -1}, "retry must be"),
        ({"PRIORITIES": "high"}, "PRIORITIES must be a list"),
        ({"PRIORITIES": ["high", "high"]}, "twice"),
        ({"PRIORITIES": ["h i"]}, "'h i' must be made of"),
        ({"ENQUEUE_AFTER_COMMIT": 7}, "ENQUEUE_AFTER_COMMIT"),
        ({"RESULT_TTL": -1}, "result_ttl"),
        (["RETRY"], "must be a dict"),
    ],
)
def test_e005_options(depot: ModuleType, options: Any, word: str) -> None:
    from depot.parcels.tasks import label
    from django.core.exceptions import ImproperlyConfigured
    from django.test import override_settings

    assert word in messages(TASKS=tasks(OPTIONS=options))["fastkiq.E005"].msg
    with override_settings(TASKS=tasks(OPTIONS=options)), pytest.raises(ImproperlyConfigured):
        label.enqueue("ann")


def test_e006_databases(depot: ModuleType) -> None:
    assert "'nowhere'" in messages(FASTKIQ={"enqueue_after_commit": "nowhere"})["fastkiq.E006"].msg
    assert "fastkiq.E006" in messages(TASKS=tasks(OPTIONS={"ENQUEUE_AFTER_COMMIT": ["archive", "nowhere"]}))


def test_w001_atomic_requests(depot: ModuleType) -> None:
    from django.conf import settings

    archive = settings.DATABASES["archive"]
    archive["ATOMIC_REQUESTS"] = True
    try:
        assert "'archive'" in messages()["fastkiq.W001"].msg
        assert "'archive'" in messages(FASTKIQ={"enqueue_after_commit": True})["fastkiq.W001"].hint
        assert messages(FASTKIQ={"enqueue_after_commit": "archive"}) == {}
    finally:
        archive["ATOMIC_REQUESTS"] = False


def test_w002_and_w003_redis(depot: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    from fastkiq import config

    fastkiq.configure(redis_url="redis://:hunter2@127.0.0.1:1")
    found = messages(deploy=True)["fastkiq.W003"]
    assert "127.0.0.1:1" in found.msg
    assert "hunter2" not in str(found)
    assert messages() == {}, "without --deploy nobody asks Redis"
    monkeypatch.setattr(config, "_default", fastkiq.Config())
    assert "FASTKIQ_REDIS_URL" in messages(deploy=True)["fastkiq.W002"].hint


def test_w004_and_w005_queues(depot: ModuleType) -> None:
    priorities = tasks(QUEUES=["default", "mail"], OPTIONS={"PRIORITIES": ["high", "default"], "RETRY_QUEUE": "again"})
    found = messages(TASKS=priorities)
    assert "'mail'" in found["fastkiq.W004"].msg
    assert "'again'" in found["fastkiq.W005"].msg


def test_settings_of_a_test_end_with_it(depot: ModuleType, redis_url: str) -> None:
    from django.test import override_settings

    from fastkiq import config

    config.default().forget("configure()")
    before = config.default().redis_url, config.default().concurrency
    with override_settings(FASTKIQ={"redis_url": redis_url, "concurrency": 3}):
        assert (config.default().redis_url, config.default().concurrency) == (redis_url, 3)
    assert (config.default().redis_url, config.default().concurrency) == before
