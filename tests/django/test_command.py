"""`manage.py fastkiq` and the plain command, as children, on a real project."""

import json
import subprocess
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from redis import Redis

from children import Child
from servers import wait_until

Manage = Callable[..., subprocess.CompletedProcess[str]]
Managed = Callable[..., Child]


def test_a_worker_runs_tasks_and_workers_of_all_queues(depot: ModuleType, managed: Managed, redis: Redis) -> None:
    from depot.parcels.models import Parcel
    from depot.parcels.tasks import alabel, label, urgent
    from depot.parcels.workers import Weigh

    child = managed("fastkiq", "process", "-c", "2")
    text = child.wait_for("ready:")
    order = "default:high, mail:high, default, mail, default:low, mail:low, scales"
    assert f"queues: {order}" in text, "by priority, in strict order"
    results = [label.enqueue("ann"), alabel.enqueue("bob"), urgent.enqueue()]
    for result in results:
        wait_until(lambda result=result: result.refresh() or result.is_finished, 20, "the result")
        assert result.status == "SUCCESSFUL"
    Weigh.perform_async(results[0].return_value)
    wait_until(lambda: Parcel.objects.get(to="ann").note == "weighed", 10)
    assert child.stop() == 0
    assert redis.zcard("retry") == redis.zcard("dead") == 0


def test_options_are_those_of_the_command(depot: ModuleType, manage: Manage) -> None:
    from depot.parcels.tasks import label
    from depot.parcels.workers import Weigh

    result = label.enqueue("ann")
    Weigh.perform_async(1)
    done = manage("fastkiq", "process", "-q", "default", "-v", "--drain", "--settings=depot.settings")
    assert done.returncode == 0, done.stderr
    assert "depot.parcels.tasks.label" in done.stderr
    result.refresh()
    assert result.status == "SUCCESSFUL"
    listed = manage("fastkiq", "queues")
    assert listed.returncode == 0
    assert "scales" in listed.stdout


def test_the_plain_command_sets_the_project_up_too(depot: ModuleType, managed: Managed, redis: Redis) -> None:
    from depot.parcels.tasks import label

    result = label.enqueue("ann")
    child = managed("process", "--drain", program=("-m", "fastkiq"), DJANGO_SETTINGS_MODULE="depot.settings")
    assert child.wait() == 0, child.output()
    result.refresh()
    assert result.status == "SUCCESSFUL"


def test_the_plain_command_takes_modules_as_well(depot: ModuleType, managed: Managed) -> None:
    from depot.parcels.tasks import label

    result = label.enqueue("ann")
    words = ("process", "depot.parcels.tasks", "-q", "default", "--drain")
    child = managed(*words, program=("-m", "fastkiq"), DJANGO_SETTINGS_MODULE="depot.settings")
    assert child.wait() == 0, child.output()
    result.refresh()
    assert result.status == "SUCCESSFUL"


def test_a_project_that_is_broken_shows_its_own_traceback(depot: ModuleType, managed: Managed) -> None:
    child = managed("process", program=("-m", "fastkiq"), DJANGO_SETTINGS_MODULE="depot.nowhere")
    assert child.wait() == 1
    assert "No module named 'depot.nowhere'" in child.output()
    assert "fastkiq.contrib.django.project cannot be loaded" in child.output()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"FASTKIQ": {"redis_ulr": "x"}}, "did you mean 'redis_url'?"),
        ({"FASTKIQ": {"concurrency": "many"}}, "FASTKIQ: concurrency must be a whole number"),
        ({"FASTKIQ": []}, "FASTKIQ must be a dict"),
        ({"FASTKIQ": {"enqueue_after_commit": ["nowhere"]}}, "there is no database 'nowhere'"),
    ],
)
def test_wrong_settings_stop_a_worker_before_it_begins(
    depot: ModuleType, manage: Manage, settings: dict[str, Any], said: str
) -> None:
    done = manage("fastkiq", "process", "--drain", DEPOT=json.dumps(settings))
    assert done.returncode == 1
    assert said in done.stderr
    assert "fastkiq.E00" in done.stderr
    assert "Traceback" not in done.stderr


def test_wrong_settings_stop_the_plain_command_and_each_call(
    depot: ModuleType, managed: Managed, manage: Manage
) -> None:
    settings = json.dumps({"FASTKIQ": {"redis_ulr": "x"}})
    child = managed("process", program=("-m", "fastkiq"), DJANGO_SETTINGS_MODULE="depot.settings", DEPOT=settings)
    assert child.wait() == 1
    assert "ImproperlyConfigured: FASTKIQ: unknown setting 'redis_ulr'" in child.output()
    code = "from depot.parcels.workers import Weigh; Weigh.perform_async(1)"
    done = manage("shell", "-c", code, DEPOT=settings)
    assert "ImproperlyConfigured: FASTKIQ: unknown setting 'redis_ulr'" in done.stderr


def test_settings_of_the_project_are_those_of_the_worker(depot: ModuleType, managed: Managed, redis_url: str) -> None:
    settings = {"FASTKIQ": {"redis_url": redis_url, "concurrency": 3, "tag": "parcels"}}
    child = managed("fastkiq", "process", DEPOT=json.dumps(settings), FASTKIQ_REDIS_URL="redis://127.0.0.1:1")
    assert "3 threads" in child.wait_for("ready:")
    assert child.stop() == 0


def test_a_logging_that_silences_others_does_not_silence_fastkiq(depot: ModuleType, managed: Managed) -> None:
    logging = {"version": 1, "disable_existing_loggers": True, "handlers": {"null": {"class": "logging.NullHandler"}}}
    given = {"DJANGO_SETTINGS_MODULE": "depot.settings", "DEPOT": json.dumps({"LOGGING": logging})}
    child = managed("process", program=("-m", "fastkiq"), **given)
    child.wait_for("ready:")
    assert child.stop() == 0


def test_help_and_mistakes(depot: ModuleType, manage: Manage) -> None:
    shown = manage("fastkiq", "process", "--help")
    assert shown.returncode == 0
    assert "--concurrency" in shown.stdout
    assert "doctor" in manage("fastkiq").stdout
    assert "fastkiq" in manage("help").stdout
    wrong = manage("fastkiq", "proces")
    assert wrong.returncode == 2
    assert "did you mean 'process'?" in wrong.stderr


def test_call_command(depot: ModuleType, redis: Redis) -> None:
    from django.core.management import CommandError, call_command

    with pytest.raises(CommandError, match="ended with 2"):
        call_command("fastkiq", "proces")


def test_the_worker_carries_no_more_than_it_must(depot: ModuleType, manage: Manage) -> None:
    unused = ("starlette", "redis", "rich", "fastkiq.api", "fastkiq.web")
    code = f"import sys; print([name for name in {unused} if name in sys.modules])"
    done = manage("shell", "-c", code)
    assert done.stdout.splitlines()[-1] == "[]", done.stdout


def test_autodiscovery_can_be_chosen(depot: ModuleType, manage: Manage) -> None:
    code = "import sys; print([name for name in sys.modules if name.startswith('depot.parcels.')])"
    for chosen, loaded in ((["workers"], "workers"), (False, None)):
        settings = json.dumps({"FASTKIQ": {"autodiscover": chosen}, "ROOT_URLCONF": "depot.asgi"})
        done = manage("shell", "-c", code, DEPOT=settings)
        assert done.returncode == 0, done.stderr
        assert ("depot.parcels.workers" in done.stdout) == (loaded == "workers")
        assert "depot.parcels.tasks" not in done.stdout


def test_a_task_of_a_worker_that_was_killed_runs_again(depot: ModuleType, managed: Managed) -> None:
    from depot.parcels.tasks import hang_once

    first = managed("fastkiq", "process")
    first.wait_for("ready:")
    result = hang_once.enqueue()
    wait_until(lambda: result.refresh() or result.status == "RUNNING", 20, "a start")
    first.kill()
    second = managed("fastkiq", "process")
    wait_until(lambda: result.refresh() or result.is_finished, 30, "the second run")
    assert result.return_value == 2
    assert len(set(result.worker_ids)) == 2
    assert result.errors == []
    assert second.stop() == 0


def test_a_module_of_tasks_that_cannot_be_imported_stops_the_worker_with_its_traceback(
    depot: ModuleType, managed: Managed, manage: Manage
) -> None:
    """Rather than one that runs without them: its jobs would wait as unknown ones."""
    broken = json.dumps({"FASTKIQ": {"autodiscover": ["broken"]}})
    child = managed("fastkiq", "process", "--drain", DEPOT=broken)
    assert child.wait() == 1
    assert "RuntimeError: this module cannot be imported" in child.output()
    plain = managed("process", program=("-m", "fastkiq"), DJANGO_SETTINGS_MODULE="depot.settings", DEPOT=broken)
    assert plain.wait() == 1
    assert "RuntimeError: this module cannot be imported" in plain.output()
    assert "fastkiq.contrib.django.project cannot be loaded" in plain.output()


@pytest.mark.parametrize(
    ("words", "extra", "better"),
    [
        (("stats",), {}, "python manage.py fastkiq stats"),
        (("queues",), {}, "python manage.py fastkiq queues"),
        (("stats",), {"DJANGO_SETTINGS_MODULE": "depot.settings"}, "python manage.py fastkiq stats"),
        (("process", "--drain"), {}, "python manage.py fastkiq process"),
    ],
)
def test_plain_commands_in_a_project_say_that_they_do_not_know_its_settings(
    depot: ModuleType, managed: Managed, words: tuple[str, ...], extra: dict[str, str], better: str
) -> None:
    told = "nobody has said where Redis is, so it is redis://localhost:6379/0; with the settings of the Django project"
    child = managed(*words, program=("-m", "fastkiq"), **extra, FASTKIQ_REDIS_URL="")
    child.wait()
    assert f"{told}: {better}" in child.output()
    child = managed(*words, program=("-m", "fastkiq"), **extra)
    child.wait()
    assert "Django project" not in child.output(), "somebody has said it"


def test_with_the_project_set_up_nobody_is_sent_elsewhere(depot: ModuleType, manage: Manage, managed: Managed) -> None:
    for done in (manage("fastkiq", "stats", FASTKIQ_REDIS_URL=""), manage("fastkiq", "stats")):
        assert "Django project" not in done.stdout + done.stderr
    given = {"DJANGO_SETTINGS_MODULE": "depot.settings", "FASTKIQ_REDIS_URL": ""}
    child = managed("process", "--help", program=("-m", "fastkiq"), **given)
    child.wait()
    assert "Django project" not in child.output()
